/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reading.h - read() from a file's blocks in the node's cache
 *
 * A block that JuiceFS has cached never changes, but the mapping from a file to
 * its blocks can. The agent stores the mapping together with the file's version
 * (efuse_blocks). The attributes determine the current version, if they are
 * valid by the rules for stat.
 *
 * A read is answered after two look-ups: of the handle and of the block. An
 * attribute is looked up only by the first read of a block after a change, and
 * by a miss that the agent is notified of.
 */
#ifndef EFUSE_READING_H
#define EFUSE_READING_H

#include "handles.h"
#include "serving.h"
#include "versions.h"

#define TOLD_SLOTS	8192		/* size of efuse_told */
#define TOLD_TIME	0xffffffULL	/* its lower bits: time in 2^27 ns */
#define TOLD_SHIFT	27		/* from ns to that unit */

/* The element of this block, and what it contains once the agent is notified. */
static __always_inline __u64 *told_of(const struct efuse_block_key *key,
				      __u64 now, __u64 *is_told)
{
	__u64 hash = efuse_block_hash(key);
	__u32 slot = hash >> 40 & (TOLD_SLOTS - 1);

	*is_told = (hash & ~TOLD_TIME) | (now >> TOLD_SHIFT & TOLD_TIME);
	return bpf_map_lookup_elem(&efuse_told, &slot);
}

/*
 * Whether the agent is to be notified of a miss: not of a block's first, because
 * many small files are read only once, and not more than once in 2^27 ns
 * (134 ms), because many small reads may miss the same block.
 */
static __always_inline int due(const struct efuse_block_key *key, __u64 now)
{
	__u64 is_told, *told = told_of(key, now, &is_told);

	if (!told || *told == is_told)
		return 0;
	if (((*told ^ is_told) & ~TOLD_TIME) == 0)
		return 1;
	*told = is_told & ~TOLD_TIME;
	return 0;
}

static __always_inline void tell(const struct efuse_block_key *key, __u64 now,
				 enum efuse_missing what)
{
	struct efuse_miss miss = { key->dev, key->ino, key->index, what };
	__u64 is_told, *told = told_of(key, now, &is_told);

	if (told)
		*told = is_told;
	bpf_ringbuf_output(&efuse_misses, &miss, sizeof(miss), 0);
}

/* The current version of the file; false if unknown. */
static __always_inline int current_version(const struct efuse_ctx *c,
					   struct efuse_version *v,
					   __u64 *seen,
					   struct efuse_opstats *st)
{
	struct efuse_attr_key key = { c->dev, c->nodeid };
	struct efuse_attr_val *a = bpf_map_lookup_elem(&efuse_attrs, &key);

	if (!a || !copied_version(v, seen, &key, a)) {
		COUNT(st, ATTR_ABSENT);
		return 0;
	}
	if (!unchanged(c->dev, c->nodeid, *seen)) {
		COUNT(st, GENERATION);
		return 0;
	}
	return 1;
}

/*
 * Copies the block; false if another CPU was writing it, or its element was
 * reused for another block.
 */
static __always_inline int whole_block(const struct efuse_block_key *key,
				       const struct efuse_block_val *v,
				       struct efuse_block_val *to)
{
	const volatile __u64 *from = (const volatile __u64 *)v;
	__u64 *word = (__u64 *)to;
	unsigned int i;

#pragma unroll
	for (i = 0; i < sizeof(*to) / sizeof(*word); i++)
		word[i] = from[i];
	return to->sum == efuse_block_sum(key, to);
}

/*
 * Whether an earlier read has found that valid attributes equal this version,
 * and they are still valid.
 */
static __always_inline int known_current(const struct efuse_ctx *c,
					 const struct efuse_block_val *block)
{
	return (block->equal ^ block->equal_check) == block->sum &&
	       (unchanged(c->dev, c->nodeid, block->equal) ||
		FAULTY(READ_EQUAL));
}

/*
 * The bytes at `at` in the block are in this piece: answers with its location.
 */
static __always_inline int in_piece(struct efuse_ctx *c, __u64 offset,
				    __u32 at, __u32 size,
				    const struct efuse_piece *p, __u64 end)
{
	struct efuse_from *from = (void *)c->out;
	__u32 skip = at - p->start;

	if (!p->backing || at < p->start || skip >= p->len)
		return 0;
	if (size > p->len - skip)
		size = p->len - skip;
	if (offset + size > end)
		return 0;
	from->offset = (__u64)p->offset + skip + !!FAULTY(READ_OFFSET);
	from->backing = p->backing;
	from->len = size;
	from->flags = offset + size == end || FAULTY(READ_END) ?
		      EFUSE_FROM_END : 0;
	from->reserved = 0;
	return 1;
}

/* Fires at a read(), in phase READING: finds its first bytes. */
SEC("raw_tp.w/efuse_request")
int efuse_read(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	const struct fuse_read_in *in = (const void *)c->in0;
	struct efuse_opstats *st = opstats(EFUSE_OP_READ);
	__u64 now = bpf_ktime_get_boot_ns(), offset = in->offset;
	__u32 at = offset & ((1U << EFUSE_BLOCK_BITS) - 1), size = in->size;
	struct efuse_block_key key = { c->dev, c->nodeid,
				       offset >> EFUSE_BLOCK_BITS };
	struct efuse_block_val *v, block;
	struct efuse_version version;
	__u64 seen;
	int i;

	if (!reads || !serving(st, EFUSE_OP_READ, now, lease_end()))
		return 0;
	if (control.mode != EFUSE_LEASE || control.shadow) {
		COUNT(st, OFF);
		return 0;
	}
	if (open_for_write(c->dev, c->nodeid)) {
		COUNT(st, OPEN_WRITE);
		return 0;
	}
	/* JuiceFS caches read data by handle. */
	if (!handle_current(c, in->fh)) {
		COUNT(st, HANDLE);
		return 0;
	}
	v = bpf_map_lookup_elem(&efuse_blocks, &key);
	if (!v) {
		COUNT(st, ABSENT);
		if (!due(&key, now))
			return 0;
		if (!current_version(c, &version, &seen, NULL))
			tell(&key, now, EFUSE_MISSING_VERSION);
		else if (offset < version.size)
			tell(&key, now, EFUSE_MISSING_BLOCK);
		return 0;
	}
	if (!whole_block(&key, v, &block)) {
		COUNT(st, ABSENT);
		return 0;
	}
	if (!known_current(c, &block)) {
		/*
		 * Without O_DIRECT, the kernel asks for attributes when its own
		 * are no longer valid. With it, only a stat() would.
		 */
		if (!current_version(c, &version, &seen, st)) {
			if (due(&key, now))
				tell(&key, now, EFUSE_MISSING_VERSION);
			return 0;
		}
		if (!efuse_same_version(&block.version, &version) &&
		    !FAULTY(READ_VERSION)) {
			COUNT(st, VERSION);
			if (due(&key, now))
				tell(&key, now, EFUSE_MISSING_BLOCK);
			return 0;
		}
		*(volatile __u64 *)&v->equal = seen;
		*(volatile __u64 *)&v->equal_check = seen ^ block.sum;
	}
#pragma unroll
	for (i = 0; i < EFUSE_PIECES; i++) {
		if (!in_piece(c, offset, at, size, &block.piece[i],
			      block.version.size))
			continue;
		if (now - block.used > NSEC)
			v->used = now;
		c->verdict = EFUSE_FROM;
		COUNT(st, HIT);
		return 0;
	}
	COUNT(st, HOLE);
	/* JuiceFS may have cached these bytes since. */
	if (offset < block.version.size && due(&key, now))
		tell(&key, now, EFUSE_MISSING_PIECE);
	return 0;
}

#endif
