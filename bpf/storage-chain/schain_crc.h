/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * CRC32C by the CPU's instruction (SSE 4.2), for the module and the library.
 *
 * The instruction has a latency of three cycles, but one can start in each
 * cycle. The checksum of a 4 KiB node is therefore computed in three parts in
 * parallel, which are then combined. The kernel's own function does the same,
 * but with vector registers, which an interrupt cannot always use; and on some
 * kernels it is in a separate module, behind the crypto API.
 */
#ifndef SCHAIN_CRC_H
#define SCHAIN_CRC_H

#include "schain_format.h"

/* A node's checksum covers three parts of this size, and one more word. */
#define SCHAIN_CRC_PART		1360

/* The CRC after one part of zeros, by the value of each byte before them. */
struct schain_crc {
	__u32 zeros[4][256];
};

static inline __u64 schain_crc_words(__u64 crc, const void *data,
				     unsigned long size)
{
	const __u64 *at = data, *end = at + size / 8;

	for (; end - at >= 8; at += 8)
		asm("crc32q 0(%1), %0\n\tcrc32q 8(%1), %0\n\t"
		    "crc32q 16(%1), %0\n\tcrc32q 24(%1), %0\n\t"
		    "crc32q 32(%1), %0\n\tcrc32q 40(%1), %0\n\t"
		    "crc32q 48(%1), %0\n\tcrc32q 56(%1), %0"
		    : "+r"(crc) : "r"(at), "m"(*(const __u64 (*)[8])at));
	for (; at < end; at++)
		asm("crc32q %1, %0" : "+r"(crc) : "m"(*at));
	return crc;
}

static inline void schain_crc_init(struct schain_crc *table)
{
	static const __u64 zeros[SCHAIN_CRC_PART / 8];
	int i, byte, bit;

	for (i = 0; i < 32; i++)
		table->zeros[i / 8][1 << i % 8] =
			schain_crc_words(1ULL << i, zeros, sizeof(zeros));
	/* A CRC without inversion is linear. */
	for (i = 0; i < 4; i++)
		for (byte = 1; byte < 256; byte++) {
			bit = byte & -byte;
			table->zeros[i][byte] = table->zeros[i][bit] ^
						table->zeros[i][byte ^ bit];
		}
}

static inline __u32 schain_crc_skip(const struct schain_crc *table, __u32 crc)
{
	return table->zeros[0][crc & 255] ^ table->zeros[1][crc >> 8 & 255] ^
	       table->zeros[2][crc >> 16 & 255] ^ table->zeros[3][crc >> 24];
}

/* The CRC of a node of SCHAIN_NODE bytes. */
static inline __u32 schain_crc_node(const struct schain_crc *table,
				    const void *node)
{
	const char *at = (const char *)node + SCHAIN_CRC_FROM;
	const char *end = at + SCHAIN_CRC_PART;
	__u64 a = ~0u, b = 0, c = 0;

	for (; at < end; at += 34 * 8)
		asm(".set .Lschain_at, 0\n\t"
		    ".rept 34\n\t"
		    "crc32q .Lschain_at(%3), %0\n\t"
		    "crc32q .Lschain_at + %c4(%3), %1\n\t"
		    "crc32q .Lschain_at + 2 * %c4(%3), %2\n\t"
		    ".set .Lschain_at, .Lschain_at + 8\n\t"
		    ".endr"
		    : "+r"(a), "+r"(b), "+r"(c)
		    : "r"(at), "i"(SCHAIN_CRC_PART),
		      "m"(*(const char (*)[SCHAIN_NODE])node));
	b ^= schain_crc_skip(table, a);
	c ^= schain_crc_skip(table, b);
	return ~schain_crc_words(c, at + 2 * SCHAIN_CRC_PART, 8);
}

#endif
