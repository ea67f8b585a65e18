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
#include "events.bpf.h"

const volatile __u32 tm_has_reason;	 /* 1: the tracepoint tells one */
const volatile __u32 tm_reason_consumed; /* "no drop at all", as the running kernel numbers it */

static __always_inline void tm_count_drop(const struct tm_drop_key *key, __u32 bytes)
{
	struct tm_drop *known, fresh = { .packets = 1, .bytes = bytes };

	known = bpf_map_lookup_elem(&drops, key);
	if (!known) {
		if (!bpf_map_update_elem(&drops, key, &fresh, BPF_NOEXIST))
			return;
		known = bpf_map_lookup_elem(&drops, key); /* another CPU was faster */
	}
	if (known) {
		tm_atomic_add(&known->packets, 1);
		tm_atomic_add(&known->bytes, bytes);
	}
}

struct tm_drop_header {
	union {
		struct {
			__u8 words;
			__u8 before_protocol[8];
			__u8 protocol;
			__be16 checksum;
			__be32 source;
			__be32 destination;
		} ipv4;
		struct {
			__be32 begin;
			__be16 length;
			__u8 next;
			__u8 hops;
			__u64 source[2];
			__u64 destination[2];
		} ipv6;
	};
};

/* Between whom, as far as the header tells without a walk: no extension headers, no fragments. */
static __always_inline void tm_drop_addresses(const struct sk_buff *skb, __u16 ethertype,
					      struct tm_flow_key *key)
{
	const unsigned char *header = skb->head + skb->network_header;
	struct tm_drop_header ip = {};
	__be16 ports[2] = {};
	__u32 bytes = sizeof(ip.ipv6);

	if (ethertype != ETH_P_IP && ethertype != ETH_P_IPV6)
		return;
	if (bpf_probe_read_kernel(&ip, sizeof(ip), header))
		return;
	if (ethertype == ETH_P_IP) {
		bytes = (ip.ipv4.words & 15) * 4;
		key->flags = TM_FLOW_IPV4;
		key->protocol = ip.ipv4.protocol;
		__builtin_memcpy(key->local_addr, &ip.ipv4.source, 4);
		__builtin_memcpy(key->remote_addr, &ip.ipv4.destination, 4);
	} else {
		key->flags = TM_FLOW_IPV6;
		key->protocol = ip.ipv6.next;
		__builtin_memcpy(key->local_addr, ip.ipv6.source, 16);
		__builtin_memcpy(key->remote_addr, ip.ipv6.destination, 16);
	}
	if (key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP)
		return;
	if (bpf_probe_read_kernel(ports, sizeof(ports), header + bytes))
		return;
	key->local_port_be = ports[0];
	key->remote_port_be = ports[1];
	key->flags |= TM_FLOW_PORTS;
}

static __noinline int tm_tell_drop(struct sk_buff *skb, const struct tm_drop_key *drop)
{
	struct tm_drop_event told = {};
	struct net_device *device;

	if (!tm_is_wanted(TM_EVENT_DROP))
		return 0;
	told.event = tm_event_now(TM_EVENT_DROP, 0, 0);
	told.drop = *drop;
	told.bytes = skb->len;
	device = skb->dev;
	if (device)
		told.ifindex = device->ifindex;
	tm_drop_addresses(skb, drop->ethertype, &told.key);
	tm_tell(&events, TM_EVENT_DROP, &told, sizeof(told));
	return 0;
}

SEC("tp_btf/kfree_skb")
int tm_drop(__u64 *arguments)
{
	struct sk_buff *skb = (void *)arguments[0];
	struct tm_drop_key key = { .location = arguments[1] };

	if (tm_has_reason)
		key.reason = arguments[2];
	if (tm_has_reason && key.reason == tm_reason_consumed)
		return 0;
	key.ethertype = bpf_ntohs(skb->protocol);
	tm_count_drop(&key, skb->len);
	tm_tell_drop(skb, &key);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
