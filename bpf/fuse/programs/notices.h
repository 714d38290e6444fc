/* SPDX-License-Identifier: GPL-2.0 */
/*
 * notices.h - changes that the daemon reports, and takes back those that were none
 *
 * JuiceFS tells the kernel to drop an inode's pages not only after a change, but
 * also when it opens a file for the first time. That happens after the OPEN was
 * sent, so the handle would never be served. If attributes that were asked for
 * after the notification have the same version as attributes from before it, no
 * change was made in between, and the content's generation gets its last value
 * again, provided that nothing else has raised it.
 */
#ifndef EFUSE_NOTICES_H
#define EFUSE_NOTICES_H

#include "handles.h"

static __always_inline struct efuse_notice *notice_at(__u64 dev, __u64 ino)
{
	__u32 at = slot_of(dev, ino) & (EFUSE_NOTICES - 1);

	return bpf_map_lookup_elem(&efuse_notices, &at);
}

/*
 * The daemon reports a change of this inode: remembers the last value of its
 * content's generation, by inode and by the new value. Not inlined; see
 * raise_content().
 */
static __attribute__((noinline)) int notified(__u64 dev, __u64 ino)
{
	__u64 before, number;
	struct efuse_notice *n;

	raise_opened(dev, ino);
	if (!reads || FAULTY(NO_RAISE))
		return 0;
	number = swap_content(dev, ino, &before);
	n = notice_at(dev, ino);
	if (!number || !n)
		return 0;
	*(volatile __u64 *)&n->before = before;
	*(volatile __u64 *)&n->check = before ^ handle_hash(dev, ino, number);
	return 0;
}

/*
 * Attributes from `was` and from a request that was sent at `seen` have the same
 * version: if the last change was a notification in between, it was none.
 */
static __always_inline void take_back(__u64 dev, __u64 ino, __u64 was,
				      __u64 seen)
{
	__u64 *word = &content_gens[slot_of(dev, ino)];
	__u64 number = *(volatile __u64 *)word, before;
	struct efuse_notice *n = notice_at(dev, ino);

	if (!n || FAULTY(NOTICE_KEEP))
		return;
	before = *(volatile __u64 *)&n->before;
	if ((before ^ *(volatile __u64 *)&n->check) !=
	    handle_hash(dev, ino, number) && !FAULTY(NOTICE_LATER))
		return;
	if (before <= was && was < number && number <= seen &&
	    *(volatile __u64 *)&sequence.epoch <= was)
		__sync_val_compare_and_swap(word, number, before);
}

#endif
