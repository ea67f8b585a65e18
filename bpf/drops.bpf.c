/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * drops: packets that the kernel throws away, by the place in its code and, since 5.17
 * (c504e5c2f964), the reason.
 *
 * Of all network namespaces: a packet that is dropped often belongs to none any more.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "atomic.bpf.h"
#include "owner_maps.bpf.h"

const volatile __u32 tm_has_reason;	 /* 1: the tracepoint tells one */
const volatile __u32 tm_reason_consumed; /* "no drop at all", as the running kernel numbers it */

SEC("tp_btf/kfree_skb")
int tm_drop(__u64 *arguments)
{
	struct sk_buff *skb = (void *)arguments[0];
	struct tm_drop_key key = { .location = arguments[1] };
	struct tm_drop *known, fresh = { .packets = 1 };

	if (tm_has_reason)
		key.reason = arguments[2];
	if (tm_has_reason && key.reason == tm_reason_consumed)
		return 0;
	key.ethertype = bpf_ntohs(skb->protocol);
	fresh.bytes = skb->len;
	known = bpf_map_lookup_elem(&drops, &key);
	if (!known) {
		if (!bpf_map_update_elem(&drops, &key, &fresh, BPF_NOEXIST))
			return 0;
		known = bpf_map_lookup_elem(&drops, &key); /* another CPU was faster */
	}
	if (known) {
		tm_atomic_add(&known->packets, 1);
		tm_atomic_add(&known->bytes, fresh.bytes);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
