/* SPDX-License-Identifier: GPL-2.0 */
/* A bucket of a hash table: searches its nodes one after the other. */
#include "step.h"

static __always_inline int hash_step(const struct step_in *in, node_t node,
				     struct schain_out *out)
{
	__u64 place, key = 0, value = 0, next = 0;
	struct schain_head head;
	int broken, error;

	error = node_check(in, node, SCHAIN_KIND_HASH, &head, out);
	if (error)
		return step_fail(out, error);
	if (head.count < 1 || head.count > SCHAIN_ENTRIES)
		return step_fail(out, STEP_EBADMSG);
	if (head.count > 1) {
		NODE_SEARCH(node, 1, head.count, in->key, SCHAIN_AT_KEY, place,
			    key, broken);
		if (broken || !node_u64(node, SCHAIN_AT_VALUE(place), &value))
			return step_fail(out, STEP_EBADMSG);
		if (key == in->key) {
			out->scratch[SCHAIN_OUT_PLACE] = place;
			out->scratch[SCHAIN_OUT_FOUND] = 1;
			out->scratch[SCHAIN_OUT_VALUE] = value;
			return SCHAIN_DONE;
		}
	}
	if (!node_u64(node, SCHAIN_AT_VALUE(0), &next))
		return step_fail(out, STEP_EBADMSG);
	return next ? step_next(out, next) : SCHAIN_DONE;
}
