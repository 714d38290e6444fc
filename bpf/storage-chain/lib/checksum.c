// SPDX-License-Identifier: GPL-2.0
/* CRC32C, by the CPU's instruction if it has one; and the hash of names. */
#include <string.h>
#include "internal.h"
#include "schain_crc.h"

static struct schain_crc table;

__attribute__((constructor))
static void init_table(void)
{
	if (__builtin_cpu_supports("sse4.2"))
		schain_crc_init(&table);
}

static uint32_t by_instruction(uint32_t crc, const unsigned char *at,
			       size_t size)
{
	const size_t words = size & ~7UL;

	crc = schain_crc_words(crc, at, words);
	for (at += words, size -= words; size; size--)
		asm("crc32b %1, %0" : "+r"(crc) : "m"(*at++));
	return crc;
}

static uint32_t by_bits(uint32_t crc, const unsigned char *at, size_t size)
{
	int bit;

	for (; size; size--) {
		crc ^= *at++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(~crc, data, size);
	return ~by_bits(~crc, data, size);
}

uint32_t node_crc(const struct schain_node *node)
{
	if (__builtin_cpu_supports("sse4.2"))
		return schain_crc_node(&table, node);
	return crc32c(0, (const char *)node + SCHAIN_CRC_FROM,
		      SCHAIN_NODE - SCHAIN_CRC_FROM);
}

uint32_t super_crc(const struct schain_super *super)
{
	size_t from = offsetof(struct schain_super, format);

	return crc32c(0, (const char *)super + from, sizeof(*super) - from);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

/* Not resistant to names chosen to collide, which a build detects. */
unsigned long long schain_hash(const void *data, size_t size,
			       unsigned long long seed)
{
	const unsigned char *at = data;
	uint64_t hash = mix(seed ^ size), word;

	for (; size; at += 8, size -= size < 8 ? size : 8) {
		word = 0;
		memcpy(&word, at, size < 8 ? size : 8);
		hash = mix(hash ^ word) * 0x9e3779b97f4a7c15ULL;
	}
	return mix(hash);
}
