/* SPDX-License-Identifier: GPL-2.0 */
/* A B+tree: descends by the last entry whose key is not above the target. */
#include "step.h"

static __always_inline int btree_step(const struct step_in *in, node_t node,
				      struct schain_out *out)
{
	/* Level of the previous node, or the one above the root's; 0: any. */
	__u64 above = in->hop == 1 ? in->depth : out->scratch[SCHAIN_OUT_LEVEL];
	__u64 place, key = 0, value = 0;
	struct schain_head head;
	int broken, error;

	error = node_check(in, node, SCHAIN_KIND_BTREE, &head, out);
	if (error)
		return step_fail(out, error);
	if ((above && head.level + 1U != above) || !head.count ||
	    head.count > SCHAIN_ENTRIES)
		return step_fail(out, STEP_EBADMSG);
	NODE_SEARCH(node, 0, head.count, in->key, SCHAIN_AT_KEY, place, key,
		    broken);
	if (broken || !node_u64(node, SCHAIN_AT_VALUE(place), &value))
		return step_fail(out, STEP_EBADMSG);
	out->scratch[SCHAIN_OUT_LEVEL] = head.level;
	if (head.level)
		return step_next(out, value);
	out->scratch[SCHAIN_OUT_PLACE] = place;
	out->scratch[SCHAIN_OUT_FOUND] = key == in->key;
	out->scratch[SCHAIN_OUT_VALUE] = key == in->key ? value : 0;
	return SCHAIN_DONE;
}
