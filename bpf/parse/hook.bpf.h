/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The hook that this object is compiled for: tc, unless the program has included hook_xdp.bpf.h. See
 * context.bpf.h.
 */
#ifndef TM_PARSE_HOOK_BPF_H
#define TM_PARSE_HOOK_BPF_H

#ifndef TM_XDP
#include "parse/hook_skb.bpf.h"
#endif

#endif /* TM_PARSE_HOOK_BPF_H */
