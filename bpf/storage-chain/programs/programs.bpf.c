// SPDX-License-Identifier: GPL-2.0
/* The programs that the lab loads, one for each kind of node. */
#include "program.bpf.h"
#include "btree.h"
#include "hash.h"
#include "posting.h"

SCHAIN_PROGRAM(btree);
SCHAIN_PROGRAM(hash);
SCHAIN_PROGRAM(posting);
