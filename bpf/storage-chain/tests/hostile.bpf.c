// SPDX-License-Identifier: GPL-2.0
/* Programs that return invalid results, which the module must handle. */
#include "program.bpf.h"

/* Never ends: requests the same node again. */
static __always_inline int forever_step(const struct step_in *in, node_t node,
					struct schain_out *out)
{
	return step_next(out, in->sector);
}

/* Ends by itself, but after more nodes than any door allows. */
static __always_inline int hundred_step(const struct step_in *in, node_t node,
					struct schain_out *out)
{
	return in->hop >= 100 ? SCHAIN_DONE : step_next(out, in->sector);
}

/* Jumps once, to the sector in the request's key. */
static __always_inline int jump_step(const struct step_in *in, node_t node,
				     struct schain_out *out)
{
	return in->hop > 1 ? SCHAIN_DONE : step_next(out, in->key);
}

/* Returns no verdict. */
static __always_inline int silent_step(const struct step_in *in, node_t node,
				       struct schain_out *out)
{
	return SCHAIN_NOTRUN;
}

/* Returns an invalid error or verdict. */
static __always_inline int liar_step(const struct step_in *in, node_t node,
				     struct schain_out *out)
{
	out->error = in->key;
	return in->key ? SCHAIN_ERR : 77;
}

SCHAIN_PROGRAM(forever);
SCHAIN_PROGRAM(hundred);
SCHAIN_PROGRAM(jump);
SCHAIN_PROGRAM(silent);
SCHAIN_PROGRAM(liar);
