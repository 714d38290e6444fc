/* SPDX-License-Identifier: GPL-2.0 */
/* The writable raw tracepoint that BPF programs attach to. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM schain

#if !defined(_SCHAIN_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _SCHAIN_TRACE_H

#include <linux/tracepoint.h>
#include "schain_abi.h"

/* Only define_trace.h's BPF pass knows DECLARE_TRACE_WRITABLE. */
#ifndef DECLARE_TRACE_WRITABLE
#define SCHAIN_DECLARE(call, proto, args, size)				\
	DECLARE_TRACE(call, PARAMS(proto), PARAMS(args))
#else
#define SCHAIN_DECLARE(call, proto, args, size)				\
	DECLARE_TRACE_WRITABLE(call, PARAMS(proto), PARAMS(args), size)
#endif

SCHAIN_DECLARE(schain_step,
	       TP_PROTO(struct schain_ctx *ctx, const void *node),
	       TP_ARGS(ctx, node),
	       sizeof(struct schain_ctx));

#undef SCHAIN_DECLARE
#endif /* _SCHAIN_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE schain_trace
#include <trace/define_trace.h>
