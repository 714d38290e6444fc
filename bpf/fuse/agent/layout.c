// SPDX-License-Identifier: GPL-2.0
/*
 * layout.c - member offsets in the running kernel's FUSE structures
 *
 * The module contains no offsets and refuses to work without them. The agent
 * looks them all up by name in the kernel's BTF, and exits with a message if
 * anything is not as expected.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "btf.h"

static struct ext_btf *btf;

/* Ends the agent unless the member exists and has `size` bytes (0: any). */
static void check(const char *name, const char *path, long at, size_t is,
		  size_t size)
{
	if (at < 0)
		fatal("struct %s of this kernel has no usable %s",
		      name, path);
	if (size && is != size)
		fatal("struct %s: %s has %zu bytes, not %zu", name, path, is,
		      size);
}

static __u16 offset_of(const char *name, const char *path, size_t size)
{
	size_t is = 0;
	long at = ext_btf_offset(btf, name, path, &is);

	check(name, path, at, is, size);
	return at;
}

static __u16 bits_of(const char *name, const char *path)
{
	long at = ext_btf_bits(btf, name, path, NULL);

	check(name, path, at, 0, 0);
	return at;
}

/*
 * The function must have `count` parameters, and number `n` must be a struct
 * `type` *.
 */
static void expect(const char *function, int count, int n, const char *type)
{
	if (ext_btf_parameters(btf, function) != count ||
	    !ext_btf_is_parameter(btf, function, n, type))
		fatal("%s() of this kernel is not as expected (%d parameters, number %d a struct %s *)",
		      function, count, n, type);
}

/*
 * Whether the function's last parameters, from `first`, are a mount and the
 * arguments.
 */
static bool is_request(const char *function, int first)
{
	return ext_btf_parameters(btf, function) == first + 2 &&
	       ext_btf_parameter(btf, function, "fuse_mount") == first &&
	       ext_btf_parameter(btf, function, "fuse_args") == first + 1;
}

static void open_btf(void)
{
	btf = ext_btf_open("fuse_args", "fuse");
	if (!btf)
		fatal("no BTF of FUSE in this kernel (%s); is module fuse loaded?",
		      strerror(errno));
}

void layout_of_reads(struct efuse_reads *r)
{
	long bad;

	open_btf();
	memset(r, 0, sizeof(*r));
	r->file_fm = offset_of("fuse_file", "fm", 8);
	r->file_fh = offset_of("fuse_file", "fh", 8);
	r->file_nodeid = offset_of("fuse_file", "nodeid", 8);
	r->file_flags = offset_of("fuse_file", "open_flags", 4);
	r->inode_state = offset_of("fuse_inode", "state", 8);
	if (ext_btf_offset(btf, "fuse_inode", "inode", NULL) ||
	    !ext_btf_enum(btf, "FUSE_I_BAD", &bad))
		fatal("struct fuse_inode of this kernel has no usable FUSE_I_BAD");
	r->bad = bad;
	expect("fuse_file_read_iter", 2, 0, "kiocb");
	expect("fuse_file_read_iter", 2, 1, "iov_iter");
	ext_btf_close(btf);
}

/* 0 if there is no such member, which is not fatal here. */
static __u16 offset_if(const char *name, const char *path, size_t size)
{
	size_t is;
	long at = ext_btf_offset(btf, name, path, &is);

	return at > 0 && is == size ? at : 0;
}

/* The layout of a reply in pages or, from 6.13 on, in folios. */
static const char *layout_of_pages(struct efuse_lists *l)
{
	bool folios = ext_btf_offset(btf, "fuse_args_pages", "folios", NULL) > 0;
	const char *desc = folios ? "fuse_folio_desc" : "fuse_page_desc";
	size_t is;
	long at;

	if (ext_btf_offset(btf, "fuse_args_pages", "args", NULL))
		return "struct fuse_args_pages does not begin with its arguments";
	at = ext_btf_bits(btf, "fuse_args", "out_pages", NULL);
	l->pages = offset_if("fuse_args_pages", folios ? "folios" : "pages", 8);
	l->descs = offset_if("fuse_args_pages", "descs", 8);
	l->count = offset_if("fuse_args_pages",
			     folios ? "num_folios" : "num_pages", 4);
	if (at < 0 || !l->pages || !l->descs || !l->count ||
	    ext_btf_size(btf, desc) != 8)
		return "struct fuse_args_pages is not as expected";
	l->args_out_pages = at;
	at = ext_btf_offset(btf, desc, "length", &is);
	if (at < 0 || is != 4)
		return "a page descriptor has no usable length";
	l->desc_length = at;
	at = ext_btf_offset(btf, desc, "offset", &is);
	if (at < 0 || is != 4)
		return "a page descriptor has no usable offset";
	l->desc_offset = at;
	return NULL;
}

const char *layout_of_lists(struct efuse_lists *l)
{
	const char *why;
	long advise;

	open_btf();
	memset(l, 0, sizeof(*l));
	why = layout_of_pages(l);
	l->inode_state = offset_if("fuse_inode", "state", 8);
	if (!why && !l->inode_state)
		why = "struct fuse_inode has no state";
	if (!why && !ext_btf_enum(btf, "FUSE_I_ADVISE_RDPLUS", &advise))
		why = "there is no FUSE_I_ADVISE_RDPLUS";
	if (!why && (ext_btf_parameters(btf, "fuse_readdir") != 2 ||
		     !ext_btf_is_parameter(btf, "fuse_readdir", 0, "file") ||
		     !ext_btf_is_parameter(btf, "fuse_readdir", 1,
					   "dir_context")))
		why = "fuse_readdir() is not as expected";
	if (!why)
		l->advise = advise;
	ext_btf_close(btf);
	return why;
}

void layout_read(struct efuse_hook *h)
{
	long finished;

	open_btf();

	memset(h, 0, sizeof(*h));
	h->abi = EFUSE_ABI;
	h->ctx_size = sizeof(struct efuse_ctx);
	if (is_request("__fuse_simple_request", 1))
		h->function = EFUSE_FN_SIMPLE_REQUEST_IDMAP;
	else if (is_request("fuse_simple_request", 0))
		h->function = EFUSE_FN_SIMPLE_REQUEST;
	else
		fatal("this kernel sends FUSE requests with an unknown function");

	h->args_nodeid = offset_of("fuse_args", "nodeid", 8);
	h->args_opcode = offset_of("fuse_args", "opcode", 4);
	h->args_in_num = offset_of("fuse_args", "in_numargs", 1);
	h->args_out_num = offset_of("fuse_args", "out_numargs", 1);
	h->args_in = offset_of("fuse_args", "in_args", 0);
	h->args_out = offset_of("fuse_args", "out_args", 0);
	h->args_out_argvar = bits_of("fuse_args", "out_argvar");
	h->mount_fc = offset_of("fuse_mount", "fc", 8);
	h->mount_sb = offset_of("fuse_mount", "sb", 8);
	if (ext_btf_offset(btf, "fuse_conn", "chan", NULL) >= 0) {
		h->conn_chan = offset_of("fuse_conn", "chan", 8);
		h->chan_conn = offset_of("fuse_chan", "conn", 8);
		h->connected = offset_of("fuse_chan", "connected", 4);
		h->req_fm = offset_of("fuse_req", "chan", 8);
	} else {
		h->connected = offset_of("fuse_conn", "connected", 4);
		h->req_fm = offset_of("fuse_req", "fm", 8);
	}
	h->req_args = offset_of("fuse_req", "args", 8);
	h->req_error = offset_of("fuse_req", "out.h.error", 4);
	h->req_flags = offset_of("fuse_req", "flags", 8);
	if (!ext_btf_enum(btf, "FR_FINISHED", &finished))
		fatal("this kernel's BTF has no FR_FINISHED");
	h->req_finished = finished;
	h->inode_nodeid = offset_of("fuse_inode", "nodeid", 8);

	/* The module has these offsets compiled in. */
	if (offset_of("fuse_in_arg", "size", 4) != 0 ||
	    offset_of("fuse_in_arg", "value", 8) != 8 ||
	    offset_of("fuse_arg", "size", 4) != 0 ||
	    offset_of("fuse_arg", "value", 8) != 8 ||
	    ext_btf_size(btf, "fuse_in_arg") != 16 ||
	    ext_btf_size(btf, "fuse_arg") != 16)
		fatal("the arguments of a FUSE request have an unknown layout");
	if (offset_of("fuse_inode", "inode", 0) != 0)
		fatal("struct fuse_inode does not begin with its inode");
	expect("fuse_simple_background", 3, 0, "fuse_mount");
	expect("fuse_simple_background", 3, 1, "fuse_args");
	expect("fuse_request_end", 1, 0, "fuse_req");
	expect("fuse_getattr", 5, 1, "path");
	expect("fuse_unlink", 2, 1, "dentry");
	expect("fuse_rmdir", 2, 1, "dentry");
	expect("fuse_rename2", 6, 2, "dentry");
	expect("fuse_rename2", 6, 4, "dentry");
	expect("fuse_reverse_inval_inode", 4, 0, "fuse_conn");
	expect("fuse_reverse_inval_entry", 5, 0, "fuse_conn");
	ext_btf_close(btf);
}
