/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the benchmark compares with: empty programs, and the plain way to count flows, one lookup
 * in a shared LRU hash per packet and two atomic adds. Written for the comparison, and in its
 * favour: no VLAN, no options, no totals, no times, no TCP flags.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct plain_key {
	__u8 source[16];
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 pad[3];
};

struct plain_value {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct plain_key);
	__type(value, struct plain_value);
} plain_flows SEC(".maps");

struct ipv4 {
	__u8 version_words, tos;
	__be16 total_length, identification, fragment;
	__u8 ttl, protocol;
	__be16 checksum;
	__be32 source, destination;
};

struct ipv6 {
	__be32 version;
	__be16 payload_length;
	__u8 next_header, hop_limit;
	__be32 source[4], destination[4];
};

static __always_inline int plain(void *data, void *data_end, __u32 bytes, int answer)
{
	__be16 *ethertype = data + 12;
	struct plain_key key = {};
	struct plain_value *value, fresh = { .packets = 1, .bytes = bytes };
	struct ipv4 *ip = data + ETH_HLEN;
	struct ipv6 *ip6 = data + ETH_HLEN;
	__be16 *ports;

	if ((void *)(ip + 1) > data_end)
		return answer;
	if (*ethertype == bpf_htons(ETH_P_IP)) {
		__builtin_memcpy(key.source, &ip->source, 4);
		__builtin_memcpy(key.destination, &ip->destination, 4);
		key.protocol = ip->protocol;
		ports = (void *)(ip + 1);
	} else if (*ethertype == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > data_end)
			return answer;
		__builtin_memcpy(key.source, ip6->source, 16);
		__builtin_memcpy(key.destination, ip6->destination, 16);
		key.protocol = ip6->next_header;
		ports = (void *)(ip6 + 1);
	} else {
		return answer;
	}
	if ((void *)(ports + 2) <= data_end) {
		key.source_port = ports[0];
		key.destination_port = ports[1];
	}
	value = bpf_map_lookup_elem(&plain_flows, &key);
	if (value) {
		(void)__atomic_fetch_add(&value->packets, 1, __ATOMIC_RELAXED);
		(void)__atomic_fetch_add(&value->bytes, bytes, __ATOMIC_RELAXED);
	} else {
		bpf_map_update_elem(&plain_flows, &key, &fresh, BPF_NOEXIST);
	}
	return answer;
}

SEC("tc")
int empty_tc(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int plain_tc(struct __sk_buff *skb)
{
	return plain((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, TC_ACT_UNSPEC);
}

SEC("cgroup_skb/ingress")
int empty_cgroup_rx(struct __sk_buff *skb)
{
	(void)skb;
	return 1; /* allow */
}

SEC("tp_btf/sock_send_length")
int empty_send_length(__u64 *arguments)
{
	(void)arguments;
	return 0;
}

SEC("tp_btf/sock_recv_length")
int empty_receive_length(__u64 *arguments)
{
	(void)arguments;
	return 0;
}

SEC("xdp")
int empty_xdp(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}

SEC("xdp")
int plain_xdp(struct xdp_md *xdp)
{
	return plain((void *)(long)xdp->data, (void *)(long)xdp->data_end,
		     xdp->data_end - xdp->data, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
