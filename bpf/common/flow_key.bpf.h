/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Fill a flow key: from a packet's headers, from a socket, from a connection that conntrack knows.
 *
 * All of these expect a key of zeroes, put an IPv4 address into the first four bytes of its 16, and
 * leave interface_id to the caller.
 */
#ifndef TM_COMMON_FLOW_KEY_BPF_H
#define TM_COMMON_FLOW_KEY_BPF_H

#include "common/headers.bpf.h"

/* Whether @words is an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2). */
#define tm_is_ipv4_mapped(words) (!(words)[0] && !(words)[1] && (words)[2] == bpf_htonl(0xffff))

/* @bytes: 4 or 16, a constant. @rx: the packet comes in, so its destination is the local end. */
static __always_inline void tm_set_key_addresses(struct tm_flow_key *key, bool rx,
						 const void *source, const void *destination,
						 __u32 bytes)
{
	__builtin_memcpy(key->local_addr, rx ? destination : source, bytes);
	__builtin_memcpy(key->remote_addr, rx ? source : destination, bytes);
}

static __always_inline void tm_set_key_ports(struct tm_flow_key *key, bool rx, __u16 source_be,
					     __u16 destination_be)
{
	key->local_port_be = rx ? destination_be : source_be;
	key->remote_port_be = rx ? source_be : destination_be;
	key->flags |= TM_FLOW_PORTS;
}

/* tm_set_other_end - @to becomes the flow of @from as its other end has it. The rest of @to stays. */
static __always_inline void tm_set_other_end(struct tm_flow_key *to, const struct tm_flow_key *from)
{
	__builtin_memcpy(to->local_addr, from->remote_addr, sizeof(to->local_addr));
	__builtin_memcpy(to->remote_addr, from->local_addr, sizeof(to->remote_addr));
	to->local_port_be = from->remote_port_be;
	to->remote_port_be = from->local_port_be;
}

static __always_inline void tm_swap_words(__u64 *a, __u64 *b)
{
	__u64 first = *a;

	*a = *b;
	*b = first;
}

/*
 * tm_load_ip - of a packet that starts with its IP header (cgroup_skb).
 * @family: set to TM_FLOW_IPV4 or TM_FLOW_IPV6. @ends: two times 16 bytes, the source's and the
 * destination's. @protocol, @transport: the protocol and the offset of its header, without a look after
 * IPv6 extension headers; both NULL if not needed. Returns false where the packet is too short, by the
 * load of the destination, which is the last field.
 */
static __always_inline bool tm_load_ip(struct __sk_buff *skb, __u8 *family, __u8 *ends,
				       __u8 *protocol, __u32 *transport)
{
	__u8 first = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		*family = TM_FLOW_IPV4;
		if (protocol) {
			bpf_skb_load_bytes(skb, 0, &first, sizeof(first));
			bpf_skb_load_bytes(skb, offsetof(struct tm_ipv4_header, protocol), protocol,
					   sizeof(*protocol));
			*transport = tm_ipv4_header_bytes(first);
		}
		bpf_skb_load_bytes(skb, offsetof(struct tm_ipv4_header, source), ends, 4);
		return !bpf_skb_load_bytes(skb, offsetof(struct tm_ipv4_header, destination),
					   ends + 16, 4);
	}
	*family = TM_FLOW_IPV6;
	if (protocol) {
		bpf_skb_load_bytes(skb, offsetof(struct tm_ipv6_header, next_header), protocol,
				   sizeof(*protocol));
		*transport = TM_IPV6_HEADER_BYTES;
	}
	/* both at once: they follow each other */
	return !bpf_skb_load_bytes(skb, offsetof(struct tm_ipv6_header, source), ends, 32);
}

/*
 * tm_key_from_ip - of a TCP or UDP packet that starts with its IP header (cgroup_skb).
 * Returns 0, or -1 for other protocols.
 */
static __always_inline int tm_key_from_ip(struct __sk_buff *skb, bool rx, struct tm_flow_key *key)
{
	__u64 *local = (__u64 *)key->local_addr, *remote = (__u64 *)key->remote_addr;
	__u32 transport;
	__u16 port_be;
	__u8 family;

	tm_load_ip(skb, &family, key->local_addr, &key->protocol, &transport);
	if (key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP)
		return -1;
	if (bpf_skb_load_bytes(skb, transport, &key->local_port_be, 4)) /* both ports */
		return -1;
	key->flags = family | TM_FLOW_PORTS;
	if (!rx)
		return 0;
	tm_swap_words(&local[0], &remote[0]);
	tm_swap_words(&local[1], &remote[1]);
	port_be = key->local_port_be;
	key->local_port_be = key->remote_port_be;
	key->remote_port_be = port_be;
	return 0;
}

/*
 * tm_key_from_dropped - of a packet in the kernel's memory, whose source becomes the local end; without
 * ports where it has IPv6 extension headers. A key without a family where the header cannot be read.
 */
static __always_inline void tm_key_from_dropped(const struct sk_buff *skb, __u16 ethertype,
						struct tm_flow_key *key)
{
	const unsigned char *header = skb->head + skb->network_header;
	union {
		struct tm_ipv4_header ipv4;
		struct tm_ipv6_header ipv6;
	} ip = {};
	__be16 ports[2] = {};
	__u32 bytes = sizeof(ip.ipv6);
	bool is_later_fragment = false;

	if (ethertype != ETH_P_IP && ethertype != ETH_P_IPV6)
		return;
	if (bpf_probe_read_kernel(&ip, sizeof(ip), header))
		return;
	if (ethertype == ETH_P_IP) {
		bytes = tm_ipv4_header_bytes(ip.ipv4.version_words);
		key->flags = TM_FLOW_IPV4;
		key->protocol = ip.ipv4.protocol;
		is_later_fragment = ip.ipv4.fragment & bpf_htons(TM_IPV4_FRAGMENT_OFFSET);
		tm_set_key_addresses(key, false, &ip.ipv4.source, &ip.ipv4.destination, 4);
	} else {
		key->flags = TM_FLOW_IPV6;
		key->protocol = ip.ipv6.next_header;
		tm_set_key_addresses(key, false, ip.ipv6.source, ip.ipv6.destination, 16);
	}
	if (key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP)
		return;
	if (is_later_fragment)
		return;
	if (bpf_probe_read_kernel(ports, sizeof(ports), header + bytes))
		return;
	tm_set_key_ports(key, false, ports[0], ports[1]);
}

/* Of an IPv6 socket's addresses in @local and @remote, which become IPv4 ones where they are mapped. */
static __always_inline __u8 tm_unmap_ipv4(__u32 *local, __u32 *remote)
{
	if (!tm_is_ipv4_mapped(remote))
		return TM_FLOW_IPV6 | TM_FLOW_PORTS;
	local[0] = local[3];
	remote[0] = remote[3];
	local[2] = local[3] = remote[2] = remote[3] = 0;
	return TM_FLOW_IPV4 | TM_FLOW_PORTS;
}

/* tm_key_from_sock - of a connected socket. Returns 0, or -1 where it is not connected. */
static __always_inline int tm_key_from_sock(struct sock *sk, struct tm_flow_key *key)
{
	struct sock_common *common = &sk->__sk_common;
	__u32 *local = (__u32 *)key->local_addr, *remote = (__u32 *)key->remote_addr;

	key->protocol = sk->sk_protocol;
	key->local_port_be = bpf_htons(common->skc_num);
	key->remote_port_be = common->skc_dport;
	if (!key->remote_port_be)
		return -1;
	if (common->skc_family == AF_INET6) {
		bpf_probe_read_kernel(local, 16, &common->skc_v6_rcv_saddr);
		bpf_probe_read_kernel(remote, 16, &common->skc_v6_daddr);
		key->flags = tm_unmap_ipv4(local, remote);
	} else {
		local[0] = common->skc_rcv_saddr;
		remote[0] = common->skc_daddr;
		key->flags = TM_FLOW_IPV4 | TM_FLOW_PORTS;
	}
	return 0;
}

/* tm_key_from_sock_ops - of a TCP connection. The context is read in whole words, at constant offsets. */
static __always_inline void tm_key_from_sock_ops(struct bpf_sock_ops *ops, struct tm_flow_key *key)
{
	__u32 *local = (__u32 *)key->local_addr, *remote = (__u32 *)key->remote_addr;

	key->protocol = IPPROTO_TCP;
	key->local_port_be = bpf_htons(ops->local_port);
	key->remote_port_be = bpf_htons(bpf_ntohl(ops->remote_port));
	if (ops->family == AF_INET) {
		key->flags = TM_FLOW_IPV4 | TM_FLOW_PORTS;
		local[0] = ops->local_ip4;
		remote[0] = ops->remote_ip4;
		return;
	}
	if (tm_is_ipv4_mapped(ops->remote_ip6)) {
		key->flags = TM_FLOW_IPV4 | TM_FLOW_PORTS;
		local[0] = ops->local_ip6[3];
		remote[0] = ops->remote_ip6[3];
		return;
	}
	key->flags = TM_FLOW_IPV6 | TM_FLOW_PORTS;
	local[0] = ops->local_ip6[0];
	local[1] = ops->local_ip6[1];
	local[2] = ops->local_ip6[2];
	local[3] = ops->local_ip6[3];
	remote[0] = ops->remote_ip6[0];
	remote[1] = ops->remote_ip6[1];
	remote[2] = ops->remote_ip6[2];
	remote[3] = ops->remote_ip6[3];
}

/* tm_key_from_conntrack - the ends of one direction of a connection into @key, whose flags are set. */
static __always_inline void tm_key_from_conntrack(const struct nf_conntrack_tuple *tuple,
						  struct tm_flow_key *key)
{
	if (key->flags & TM_FLOW_IPV6) {
		bpf_core_read(key->local_addr, 16, &tuple->src.u3);
		bpf_core_read(key->remote_addr, 16, &tuple->dst.u3);
	} else {
		bpf_core_read(key->local_addr, 4, &tuple->src.u3);
		bpf_core_read(key->remote_addr, 4, &tuple->dst.u3);
	}
	bpf_core_read(&key->local_port_be, sizeof(key->local_port_be), &tuple->src.u);
	bpf_core_read(&key->remote_port_be, sizeof(key->remote_port_be), &tuple->dst.u);
}

/*
 * tm_tuple_from_key - as the kernel's look-up of the socket that an incoming packet is for expects it.
 * Returns the bytes of @tuple that are used.
 */
static __always_inline __u32 tm_tuple_from_key(const struct tm_flow_key *key,
					       struct bpf_sock_tuple *tuple)
{
	if (key->flags & TM_FLOW_IPV6) {
		__builtin_memcpy(tuple->ipv6.saddr, key->remote_addr, 16);
		__builtin_memcpy(tuple->ipv6.daddr, key->local_addr, 16);
		tuple->ipv6.sport = key->remote_port_be;
		tuple->ipv6.dport = key->local_port_be;
		return sizeof(tuple->ipv6);
	}
	__builtin_memcpy(&tuple->ipv4.saddr, key->remote_addr, 4);
	__builtin_memcpy(&tuple->ipv4.daddr, key->local_addr, 4);
	tuple->ipv4.sport = key->remote_port_be;
	tuple->ipv4.dport = key->local_port_be;
	return sizeof(tuple->ipv4);
}

#endif /* TM_COMMON_FLOW_KEY_BPF_H */
