/* SPDX-License-Identifier: GPL-2.0 */
/* versions.h - the version of a file, from its attributes */
#ifndef EFUSE_VERSIONS_H
#define EFUSE_VERSIONS_H

#include "coherence.h"

static __always_inline void version_of(struct efuse_version *to,
				       const struct fuse_attr *a)
{
	to->size = *(volatile __u64 *)&a->size;
	to->mtime = *(volatile __u64 *)&a->mtime;
	to->ctime = *(volatile __u64 *)&a->ctime;
	to->mtimensec = *(volatile __u32 *)&a->mtimensec;
	to->ctimensec = *(volatile __u32 *)&a->ctimensec;
}

/*
 * Copies the version of cached attributes; false if the copy may be of two
 * answers. They are read twice, with a lookup of their key in between: STILL
 * alone would not detect that another answer replaced them.
 */
static __always_inline int copied_version(struct efuse_version *to, __u64 *seen,
					  const struct efuse_attr_key *key,
					  const struct efuse_attr_val *a)
{
	struct efuse_version again;

	*seen = *(volatile __u64 *)&a->seen;
	version_of(to, &a->attr);
	if (!STILL(&efuse_attrs, key, a))
		return 0;
	version_of(&again, &a->attr);
	return *seen == *(volatile __u64 *)&a->seen &&
	       efuse_same_version(to, &again);
}

#endif
