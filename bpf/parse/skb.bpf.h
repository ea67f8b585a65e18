/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Packets as tc programs see them: how to read them, and whose they are.
 */
#ifndef TM_PARSE_SKB_BPF_H
#define TM_PARSE_SKB_BPF_H

#include "owner/forwarded.bpf.h"
#include "owner/kernel.bpf.h"
#include "owner/owner.bpf.h"
#include "parse/frame.bpf.h"

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

static __noinline __u64 tm_kernel_owner(void)
{
	struct tm_owner owner = {};

	tm_set_kernel_owner(&owner);
	return tm_get_or_create_owner(&owner);
}

/* A packet socket's frame passes here in the process that sends it, before it has its storage. */
static __noinline __u64 tm_current_task_owner(void)
{
	struct tm_owner owner = {};

	tm_fill_task_owner(&owner);
	return tm_get_or_create_owner(&owner);
}

static __always_inline bool tm_has_socket(struct __sk_buff *skb)
{
	return skb->sk;
}

/* Forwarded packets have no socket, nor do the kernel's own answers have a full one. */
static __noinline __u64 tm_sender_owner(struct __sk_buff *skb, const struct tm_flow_key *key)
{
	struct bpf_sock *sk = skb->sk;
	struct tm_socket *socket;

	if (!sk)
		return skb->ingress_ifindex && key->flags & TM_FLOW_PORTS
			       ? tm_forwarded_owner(skb, key)
			       : 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (socket)
		return socket->owner_id;
	if (tm_is_kernel_socket(sk, skb))
		return tm_kernel_owner();
	return tm_read_task && sk->family == AF_PACKET ? tm_current_task_owner() : 0;
}

/* Whose socket a packet that comes in will be given to, as the kernel would look it up. */
static __always_inline __u64 tm_lookup_socket_owner(struct __sk_buff *skb,
						    const struct tm_flow_key *key, bool is_tcp)
{
	bool is_ipv6 = key->flags & TM_FLOW_IPV6;
	struct bpf_sock_tuple tuple = {};
	struct tm_socket *socket;
	struct bpf_sock *sk;
	__u64 owner_id = 0;
	__u32 size;

	if (!(key->flags & TM_FLOW_PORTS))
		return 0;
	if (is_ipv6) {
		__builtin_memcpy(tuple.ipv6.saddr, key->remote_addr, 16);
		__builtin_memcpy(tuple.ipv6.daddr, key->local_addr, 16);
		tuple.ipv6.sport = key->remote_port_be;
		tuple.ipv6.dport = key->local_port_be;
		size = sizeof(tuple.ipv6);
	} else {
		__builtin_memcpy(&tuple.ipv4.saddr, key->remote_addr, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, key->local_addr, 4);
		tuple.ipv4.sport = key->remote_port_be;
		tuple.ipv4.dport = key->local_port_be;
		size = sizeof(tuple.ipv4);
	}
	if (is_tcp)
		sk = bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (socket)
		owner_id = socket->owner_id;
	bpf_sk_release(sk);
	return owner_id;
}

/*
 * Asked for each new flow of datagrams, and then once a second; not for TCP's: who only receives sends
 * no packet that would tell, and may be gone when somebody reads the table.
 */
static __noinline __u64 tm_receiver_owner(struct __sk_buff *skb, const struct tm_flow_key *key)
{
	return key->protocol == IPPROTO_UDP ? tm_lookup_socket_owner(skb, key, false) : 0;
}

/*
 * tm_hidden_header_bytes - how much of the Ethernet header lies before what we are shown: 0 or ETH_HLEN.
 *
 * tc goes back to it by skb->mac_len. Where generic XDP has had to copy the packet, that is 0 (6.9 and
 * later, e6d5dbdd20aa: skb_pp_cow_data() does not copy it), and we are shown the network header. Then
 * what looks like the EtherType is none, so usually one compare tells.
 */
static __always_inline __u32 tm_hidden_header_bytes(struct __sk_buff *skb,
						    const struct tm_frame *frame, __be16 *ethertype)
{
	__be16 mac[ETH_HLEN / 2], shown[ETH_HLEN / 2], other = 0;
	int i;

	if (tm_likely(!tm_seek_mac && *ethertype == skb->protocol))
		return 0;
	if (bpf_skb_load_bytes_relative(skb, 0, mac, sizeof(mac), BPF_HDR_START_MAC))
		return 0;
	if (!tm_read(frame, 0, shown, sizeof(shown))) {
		for (i = 0; i < ETH_HLEN / 2; i++)
			other |= mac[i] ^ shown[i];
		if (!other)
			return 0;
	}
	*ethertype = mac[ETH_HLEN / 2 - 1];
	return ETH_HLEN;
}

/*
 * tm_parse_skb - what @skb is. Returns how much of its Ethernet header lies before what we are shown.
 */
static __always_inline __u32 tm_parse_skb(struct __sk_buff *skb, struct tm_packet *p,
					  enum tm_hook hook)
{
	struct tm_frame frame = tm_open_frame(skb);
	__be16 ethertype = skb->protocol;
	__u32 tags = 0, before = 0;

	if (tm_link_header_bytes) {
		tags = skb->vlan_present ? 1 : 0;
		tm_read(&frame, ETH_HLEN - sizeof(ethertype), &ethertype, sizeof(ethertype));
		before = tm_hidden_header_bytes(skb, &frame, &ethertype);
	}
	tm_parse(&frame, p, hook, bpf_ntohs(ethertype), tm_link_header_bytes - before, tags);
	return before;
}

#endif /* TM_PARSE_SKB_BPF_H */
