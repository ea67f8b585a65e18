/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The contract of context.bpf.h for tc, which has the kernel's packet and so its socket.
 */
#ifndef TM_PARSE_HOOK_SKB_BPF_H
#define TM_PARSE_HOOK_SKB_BPF_H

#include "owner/packet_owner.bpf.h"
#include "parse/context.bpf.h"

static __always_inline struct tm_frame tm_open_frame(struct __sk_buff *skb)
{
	struct tm_frame frame = {
		.context = skb,
		.data = (void *)(long)skb->data,
		.data_end = (void *)(long)skb->data_end,
		.length = skb->len,
	};

	return frame;
}

static __always_inline int tm_read_beyond(struct __sk_buff *skb, __u32 offset, void *to, __u32 size)
{
	return bpf_skb_load_bytes(skb, offset, to, size) ? -1 : 0;
}

static __always_inline __u32 tm_ingress_ifindex(struct __sk_buff *skb)
{
	return skb->ingress_ifindex;
}

static __always_inline bool tm_has_socket(struct __sk_buff *skb)
{
	return skb->sk;
}

static __always_inline __u64 tm_sender_owner(struct __sk_buff *skb, const struct tm_flow_key *key)
{
	return tm_skb_sender_owner(skb, key);
}

static __always_inline __u64 tm_receiver_owner(struct __sk_buff *skb, const struct tm_flow_key *key)
{
	return tm_skb_receiver_owner(skb, key);
}

#endif /* TM_PARSE_HOOK_SKB_BPF_H */
