/* SPDX-License-Identifier: GPL-2.0 */
/*
 * efuse_listing.h - shows programs the entries of a READDIRPLUS reply, and asks
 * them whether to list the next part of a directory with attributes
 *
 * Included only by efuse.c.
 */
#ifndef EFUSE_LISTING_H
#define EFUSE_LISTING_H

/* Written before `list_users` becomes 1, and constant until it is 0 again. */
static struct efuse_lists lists;
static unsigned int list_users;		/* under efuse_lock; read without it */

/* Maximum shown of one reply, because preemption is off meanwhile. */
#define EFUSE_ENTRIES_MAX	512

/* The longest name that any kernel accepts; older ones stop at 1024. */
#define EFUSE_NAME_MAX		(PATH_MAX - 1)

#define EFUSE_ENTRY_SIZE	FUSE_NAME_OFFSET_DIRENTPLUS
#define EFUSE_DESC_SIZE		8	/* of a page or folio */

static __always_inline bool efuse_lists_on(void)
{
	/* Whoever sees users also sees the layout that was stored before. */
	return smp_load_acquire(&list_users);
}

/* What the contexts of the entries and of the request's end have in common. */
struct efuse_list {
	u32 dev;
	unsigned long conn;
	u64 nodeid;
	u64 req;
	struct fuse_read_in in;
};

static __always_inline struct efuse_ctx *
efuse_list_ctx(const struct efuse_list *l, u16 phase)
{
	struct efuse_ctx *c = efuse_ctx_new(phase, l->dev, l->conn);

	BUILD_BUG_ON(sizeof(l->in) > EFUSE_IN);
	c->opcode = FUSE_READDIRPLUS;
	c->nodeid = l->nodeid;
	c->req = l->req;
	c->in_len = sizeof(l->in);
	memcpy(c->in0, &l->in, sizeof(l->in));
	return c;
}

/* Location of a reply. */
struct efuse_reply {
	const void *buffer;	/* NULL: in pages */
	const void *pages;
	const void *descs;
	u32 size;
};

/*
 * False if the reply is not in one of the known places. The arguments may be
 * gone.
 */
static __always_inline bool efuse_reply_find(struct efuse_reply *r,
					     const struct efuse_args *a,
					     const void *args)
{
	unsigned int count;
	u8 bits;

	r->size = a->out[0].size;
	r->buffer = a->out[0].value;
	if (a->out_num != 1 || !a->out_argvar)
		return false;
	if (r->buffer)
		return true;
	return efuse_read(&bits, args + lists.args_out_pages / 8, 1, false) &&
	       bits & 1U << lists.args_out_pages % 8 &&
	       efuse_read(&r->pages, args + lists.pages, sizeof(r->pages),
			  false) &&
	       efuse_read(&r->descs, args + lists.descs, sizeof(r->descs),
			  false) &&
	       efuse_read(&count, args + lists.count, sizeof(count), false) &&
	       r->size <= (u64)count * PAGE_SIZE;
}

/* Address of page `n`; NULL if it cannot be read or is not a whole page. */
static __always_inline const void *efuse_reply_page(const struct efuse_reply *r,
						    u32 n)
{
	const void *desc = r->descs + n * EFUSE_DESC_SIZE;
	unsigned int length, offset;
	struct page *page;

	if (!efuse_read(&page, r->pages + n * sizeof(page), sizeof(page),
			false) ||
	    !efuse_read(&length, desc + lists.desc_length, sizeof(length),
			false) ||
	    !efuse_read(&offset, desc + lists.desc_offset, sizeof(offset),
			false) ||
	    !page || offset || length != PAGE_SIZE)
		return NULL;
	/* A folio begins with its first page. */
	return page_address(page);
}

static __always_inline bool efuse_reply_copy(const struct efuse_reply *r,
					     void *to, u32 at, u32 len)
{
	const void *page;
	u32 part;

	if (r->buffer)
		return efuse_read(to, r->buffer + at, len, false);
	for (; len; len -= part, at += part, to += part) {
		part = min_t(u32, len, PAGE_SIZE - at % PAGE_SIZE);
		page = efuse_reply_page(r, at / PAGE_SIZE);
		if (!page ||
		    !efuse_read(to, page + at % PAGE_SIZE, part, false))
			return false;
	}
	return true;
}

/*
 * Copies the entry at `at`. Returns the record's length, or 0 if it cannot be
 * read or no program may see it.
 */
static __always_inline u32 efuse_entry_copy(struct efuse_ctx *c,
					    const struct efuse_reply *r, u32 at)
{
	struct fuse_direntplus *entry = (struct fuse_direntplus *)c->out;
	u32 len, whole;

	BUILD_BUG_ON(EFUSE_ENTRY_SIZE > EFUSE_OUT);
	if (!efuse_reply_copy(r, entry, at, EFUSE_ENTRY_SIZE))
		return 0;
	len = entry->dirent.namelen;
	if (!len || len > EFUSE_NAME_MAX)
		return 0;
	whole = FUSE_DIRENT_ALIGN(EFUSE_ENTRY_SIZE + len);
	if (whole > r->size - at)
		return 0;
	c->out_len = EFUSE_ENTRY_SIZE;
	c->name_len = len;
	if (len >= EFUSE_NAME)
		return whole;
	if (!efuse_reply_copy(r, c->name, at + EFUSE_ENTRY_SIZE, len) ||
	    memchr(c->name, '/', len) || memchr(c->name, 0, len))
		return 0;
	return whole;
}

/*
 * Shows each entry of the reply to a READDIRPLUS. `c`, the context for the end
 * of the request, is reused for them and then restored. False if the caller has
 * returned meanwhile.
 */
static noinline notrace bool efuse_list_show(struct efuse_ctx *c,
					     const void *req,
					     const struct efuse_args *a,
					     const void *args)
{
	struct efuse_list l = {
		.dev = c->dev, .conn = c->conn, .nodeid = c->nodeid,
		.req = c->req,
	};
	struct efuse_reply reply = {};
	bool found = efuse_reply_find(&reply, a, args);
	unsigned int count = 0;
	u32 at = 0, len;

	memcpy(&l.in, c->in0, sizeof(l.in));
	/* Check also before anything is read from the reply. */
	smp_rmb();
	if (efuse_finished(req))
		return false;
	while (found && reply.size - at >= EFUSE_ENTRY_SIZE &&
	       count < EFUSE_ENTRIES_MAX) {
		c = efuse_list_ctx(&l, EFUSE_ENTRY);
		len = efuse_entry_copy(c, &reply, at);
		/* What was copied is good only if the caller waits still. */
		smp_rmb();
		if (efuse_finished(req))
			return false;
		/* The kernel stops at such a record, too. */
		if (!len)
			break;
		count++;
		trace_efuse_request(c);
		at += len;
	}
	this_cpu_add(efuse_counters.entries, count);
	c = efuse_list_ctx(&l, EFUSE_DONE);
	if (reply.size - at)
		this_cpu_inc(efuse_counters.lists_cut);
	else if (found)
		c->flags |= reply.size ? EFUSE_F_WHOLE :
					 EFUSE_F_WHOLE | EFUSE_F_END;
	return true;
}

/*
 * fuse_readdir(file, ctx). If the kernel may choose (FUSE_READDIRPLUS_AUTO), it
 * asks for attributes at the start of a directory, and again only after it has
 * used cached ones. It cannot cache attributes without a validity, so it would
 * not ask for them again.
 */
static __always_inline void efuse_on_readdir(struct ftrace_regs *fregs)
{
	const struct dir_context *ctx;
	struct inode *inode;
	struct efuse_ctx *c;

	if (!efuse_lists_on())
		return;
	inode = file_inode((const struct file *)efuse_argument(fregs, 0));
	ctx = (const struct dir_context *)efuse_argument(fregs, 1);
	if (!ctx->pos || !efuse_registered(inode->i_sb->s_dev))
		return;
	c = efuse_ctx_new(EFUSE_LISTING, inode->i_sb->s_dev, 0);
	c->nodeid = *(const u64 *)((const void *)inode + hook.inode_nodeid);
	c->in_len = sizeof(struct fuse_read_in);
	((struct fuse_read_in *)c->in0)->offset = ctx->pos;
	trace_efuse_request(c);
	if (c->verdict == EFUSE_HANDLED)
		set_bit(lists.advise, (void *)inode + lists.inode_state);
}

static bool efuse_lists_sane(const struct efuse_lists *l)
{
	return l->pages && l->pages != l->descs && l->count > l->pages &&
	       IS_ALIGNED(l->pages | l->descs, sizeof(void *)) &&
	       IS_ALIGNED(l->count, sizeof(u32)) &&
	       (l->pages | l->descs | l->count) < EFUSE_ARGS_MAX * 2 &&
	       l->args_out_pages / 8 < EFUSE_ARGS_MAX &&
	       IS_ALIGNED(l->desc_length | l->desc_offset, sizeof(u32)) &&
	       l->desc_length < EFUSE_DESC_SIZE &&
	       l->desc_offset < EFUSE_DESC_SIZE &&
	       l->desc_length != l->desc_offset &&
	       IS_ALIGNED(l->inode_state, sizeof(unsigned long)) &&
	       l->inode_state >= sizeof(struct inode) &&
	       l->inode_state < EFUSE_CONN_MAX && l->advise < BITS_PER_LONG &&
	       !memchr_inv(l->reserved, 0, sizeof(l->reserved));
}

static int efuse_ioc_lists(struct efuse_owner *owner,
			   const struct efuse_lists __user *arg)
{
	struct efuse_lists l;

	if (!owner->hooked)
		return -ENOTCONN;
	if (owner->lists)
		return -EALREADY;
	if (copy_from_user(&l, arg, sizeof(l)))
		return -EFAULT;
	if (!efuse_lists_sane(&l))
		return -EINVAL;
	if (list_users) {
		if (memcmp(&l, &lists, sizeof(l)))
			return -EBUSY;
	} else {
		/* Hooks of an earlier layout may still be running. */
		synchronize_rcu();
		lists = l;
	}
	/* After the layout: efuse_lists_on(). */
	smp_store_release(&list_users, list_users + 1);
	owner->lists = true;
	return 0;
}

static void efuse_lists_drop(const struct efuse_owner *owner)
{
	if (owner->lists)
		WRITE_ONCE(list_users, list_users - 1);
}

#endif /* EFUSE_LISTING_H */
