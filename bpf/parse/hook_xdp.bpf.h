/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The contract of context.bpf.h for XDP: frames before the stack has them. Sockets and their storage are
 * out of reach here.
 */
#ifndef TM_PARSE_HOOK_XDP_BPF_H
#define TM_PARSE_HOOK_XDP_BPF_H

#define TM_XDP
#include "parse/context.bpf.h"

/* Frames of several buffers came with 5.18, and with them the two helpers. */
static __always_inline __u32 tm_frame_bytes(struct xdp_md *xdp)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_get_buff_len))
		return bpf_xdp_get_buff_len(xdp);
	return xdp->data_end - xdp->data;
}

static __always_inline struct tm_frame tm_open_frame(struct xdp_md *xdp)
{
	struct tm_frame frame = {
		.context = xdp,
		.data = (void *)(long)xdp->data,
		.data_end = (void *)(long)xdp->data_end,
		.length = tm_frame_bytes(xdp),
	};

	return frame;
}

static __always_inline int tm_read_beyond(struct xdp_md *xdp, __u32 offset, void *to, __u32 size)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_load_bytes))
		return -1;
	return bpf_xdp_load_bytes(xdp, offset, to, size) ? -1 : 0;
}

static __always_inline __u32 tm_ingress_ifindex(struct xdp_md *xdp)
{
	return 0;
}

static __always_inline bool tm_has_socket(struct xdp_md *xdp)
{
	return false;
}

static __always_inline __u64 tm_sender_owner(struct xdp_md *xdp, const struct tm_flow_key *key)
{
	return 0;
}

static __always_inline __u64 tm_receiver_owner(struct xdp_md *xdp, const struct tm_flow_key *key)
{
	return 0;
}

#endif /* TM_PARSE_HOOK_XDP_BPF_H */
