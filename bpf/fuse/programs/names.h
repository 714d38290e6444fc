/* SPDX-License-Identifier: GPL-2.0 */
/*
 * names.h - the names of whole listings, to answer LOOKUPs of absent names
 *
 * The cache of entries cannot show that a name is absent, because it evicts. So
 * each name of a listing also sets two bits of its directory's filter: a name
 * without its bits was not listed. Other names with the same bits only cost an
 * upcall.
 *
 * The elements are not allocated: the next listing of another directory with the
 * same hash takes an element over. It takes a new ticket before it clears the
 * bits. A listing is complete only if its ticket is still there at its end, and
 * an answer is used only if the ticket is still there after the bits were read,
 * so bits that were cleared meanwhile are never mistaken for absent names.
 */
#ifndef EFUSE_NAMES_H
#define EFUSE_NAMES_H

#include "coherence.h"

/*
 * Names that JuiceFS does not list, or only in the root, and answers anyway; by
 * their first 8 bytes. With --prefix-internal they begin with ".jfs".
 */
static const char never_listed[][8] = {
	".", "..", ".control", ".accessl", ".stats", ".config", ".trash",
};

static __always_inline int is_never_listed(const struct efuse_entry_key *key)
{
	const __u64 *known = (const __u64 *)never_listed;
	__u64 first = *(const __u64 *)key->name;
	unsigned int i;

	if (FAULTY(LIST_HIDDEN))
		return 0;
	if ((__u32)first == *(const __u32 *)".jfs")
		return 1;
#pragma unroll
	for (i = 0; i < sizeof(never_listed) / sizeof(*known); i++)
		if (first == known[i])
			return 1;
	return 0;
}

/* Not 0. Not inlined; see raise_content(). */
static __attribute__((noinline)) __u64 name_hash(const char *name)
{
	const __u64 *word = (const __u64 *)name;
	__u64 h = 1;
	int i;

#pragma unroll
	for (i = 0; i < EFUSE_NAME / 8; i++) {
		h = (h ^ word[i]) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	return h | 1ULL << 63;
}

/* The lower 13 bits of a name's hash are its first bit, the next 13 its second. */
#define SECOND(hash)	((hash) >> 13)

static __always_inline __u64 *name_word(struct efuse_directory *d, __u64 bit)
{
	return &d->words[bit / 64 % EFUSE_NAME_WORDS];
}

static __always_inline __u64 name_bit(struct efuse_directory *d, __u64 bit)
{
	return *(volatile __u64 *)name_word(d, bit) & 1ULL << bit % 64;
}

static __always_inline void name_bit_set(struct efuse_directory *d, __u64 bit)
{
	__sync_fetch_and_or(name_word(d, bit), 1ULL << bit % 64);
}

static __always_inline struct efuse_directory *names_of(__u64 dev, __u64 ino)
{
	__u32 slot = efuse_slot(dev, ino, names_mask);

	return bpf_map_lookup_elem(&efuse_names_of, &slot);
}

static __always_inline int names_lock(struct efuse_directory *d)
{
	return __sync_val_compare_and_swap(&d->lock, 0, 1) == 0;
}

static __always_inline void names_unlock(struct efuse_directory *d)
{
	__sync_val_compare_and_swap(&d->lock, 1, 0);
}

/*
 * The ticket of the directory's listing, if it is complete and still valid, and
 * 0 otherwise. What is read from the element counts only if the ticket is still
 * the same afterwards.
 */
static __always_inline __u64 names_valid(struct efuse_directory *d, __u64 dev,
					 __u64 ino)
{
	__u64 ticket = *(volatile __u64 *)&d->ticket;

	if (!ticket || *(volatile __u64 *)&d->whole != ticket ||
	    *(volatile __u64 *)&d->dev != dev ||
	    *(volatile __u64 *)&d->ino != ino ||
	    !unchanged(dev, ino, *(volatile __u64 *)&d->seen))
		return 0;
	return ticket;
}

/*
 * Begins a listing. Returns its ticket, or 0 if its names need not or cannot be
 * kept.
 */
static __always_inline __u64 names_begin(__u64 dev, __u64 ino, __u64 seen)
{
	struct efuse_directory *d = names_of(dev, ino);
	__u64 ticket;
	int i;

	if (!d || names_valid(d, dev, ino) || !names_lock(d))
		return 0;
	ticket = __sync_fetch_and_add(&sequence.ticket, 1) + 1;
	/* Atomic, so that it happens before the changes below. */
	__sync_lock_test_and_set(&d->ticket, ticket);
	d->dev = dev;
	d->ino = ino;
	d->seen = seen;
	for (i = 0; i < EFUSE_NAME_WORDS; i++)
		*(volatile __u64 *)&d->words[i] = 0;
	names_unlock(d);
	return ticket;
}

static __always_inline void names_add(__u64 dev, __u64 ino, __u64 ticket,
				      __u64 hash)
{
	struct efuse_directory *d = names_of(dev, ino);

	/* If another listing takes it over now, it gets two bits too many. */
	if (!d || *(volatile __u64 *)&d->ticket != ticket)
		return;
	name_bit_set(d, hash);
	name_bit_set(d, SECOND(hash));
}

/* The listing has been shown to its end. */
static __always_inline void names_end(__u64 dev, __u64 ino, __u64 ticket)
{
	struct efuse_directory *d = names_of(dev, ino);

	if (!d || !names_lock(d))
		return;
	if (FAULTY(FILL_RACE))
		d->seen = sequence.seq;
	if (d->ticket == ticket || FAULTY(LIST_STOLEN))
		*(volatile __u64 *)&d->whole = d->ticket;
	names_unlock(d);
}

/*
 * The sequence since which the name is known to be absent, or 0 if it may exist.
 * Not inlined, because the caller's stack is nearly full.
 */
static __attribute__((noinline)) __u64
absent_since(const struct efuse_entry_key *key)
{
	struct efuse_directory *d = names_of(key->dev, key->parent);
	__u64 ticket, seen, hash;

	if (!d || is_never_listed(key))
		return 0;
	ticket = names_valid(d, key->dev, key->parent);
	if (!ticket)
		return 0;
	seen = *(volatile __u64 *)&d->seen;
	hash = name_hash(key->name);
	if (name_bit(d, hash) && name_bit(d, SECOND(hash)) &&
	    !FAULTY(LIST_CACHED))
		return 0;
	return *(volatile __u64 *)&d->ticket == ticket ? seen : 0;
}

#endif
