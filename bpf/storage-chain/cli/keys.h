/* SPDX-License-Identifier: GPL-2.0 */
/* Keys for verify and bench. */
#ifndef SCHAIN_KEYS_H
#define SCHAIN_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include "schain.h"

struct keys {
	uint64_t state, count;
	bool zipf;
};

void keys_init(struct keys *keys, uint64_t seed, uint64_t count, bool zipf);
/* In a synthetic index, three of four keys exist. */
uint64_t keys_next(struct keys *keys);
bool is_synthetic(const struct schain *s);
/* Checks the result of a lookup in a synthetic index; 0 if it is correct. */
int judge(const struct schain_index *index, uint64_t key,
	  const struct schain_result *r);

#endif
