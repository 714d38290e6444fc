/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sorted posting list: finds the first id that is not below the target. Skip
 * entries jump over nodes whose ids are all below it.
 */
#include "step.h"

static __always_inline int posting_step(const struct step_in *in, node_t node,
					struct schain_out *out)
{
	__u64 last = 0, next = 0, first, sector, place, id = 0;
	struct schain_head head;
	int broken, error, i;

	error = node_check(in, node, SCHAIN_KIND_POSTING, &head, out);
	if (error)
		return step_fail(out, error);
	if (!head.count || head.count > SCHAIN_IDS ||
	    !node_u64(node, SCHAIN_AT_KEY(0), &last) ||
	    !node_u64(node, SCHAIN_AT_VALUE(0), &next))
		return step_fail(out, STEP_EBADMSG);
	if (last < in->key) {
		for (i = 1; i <= SCHAIN_SKIPS; i++) {
			if (!node_u64(node, SCHAIN_AT_KEY(i), &first) ||
			    !node_u64(node, SCHAIN_AT_VALUE(i), &sector))
				return step_fail(out, STEP_EBADMSG);
			if (!sector || first > in->key)
				break;
			next = sector;
		}
		return next ? step_next(out, next) : SCHAIN_DONE;
	}
	/* Finds the last id below the target; the next one is not below. */
	NODE_SEARCH(node, 0, head.count, in->key, SCHAIN_AT_ID, place, id,
		    broken);
	if (!broken && id < in->key)
		broken = !node_u64(node, SCHAIN_AT_ID(++place), &id);
	if (broken || id < in->key)
		return step_fail(out, STEP_EBADMSG);
	out->scratch[SCHAIN_OUT_PLACE] = place;
	out->scratch[SCHAIN_OUT_FOUND] = 1;
	out->scratch[SCHAIN_OUT_VALUE] = id;
	return SCHAIN_DONE;
}
