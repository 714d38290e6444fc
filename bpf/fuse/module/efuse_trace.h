/* SPDX-License-Identifier: GPL-2.0 */
/* The writable raw tracepoint that BPF programs attach to. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM efuse

#if !defined(_EFUSE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _EFUSE_TRACE_H

#include <linux/tracepoint.h>
#include "efuse_abi.h"

/* Only define_trace.h's BPF pass knows DECLARE_TRACE_WRITABLE. */
#ifndef DECLARE_TRACE_WRITABLE
#define EFUSE_DECLARE(call, proto, args, size)				\
	DECLARE_TRACE(call, PARAMS(proto), PARAMS(args))
#else
#define EFUSE_DECLARE(call, proto, args, size)				\
	DECLARE_TRACE_WRITABLE(call, PARAMS(proto), PARAMS(args), size)
#endif

EFUSE_DECLARE(efuse_request,
	      TP_PROTO(struct efuse_ctx *ctx),
	      TP_ARGS(ctx),
	      sizeof(struct efuse_ctx));

#undef EFUSE_DECLARE
#endif /* _EFUSE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE efuse_trace
#include <trace/define_trace.h>
