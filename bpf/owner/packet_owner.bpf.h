/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The process that sends or receives a packet, as a program at tc finds it: by the packet's socket, by a
 * look-up of the socket that will get it, by the records of other network namespaces' sockets.
 */
#ifndef TM_OWNER_PACKET_OWNER_BPF_H
#define TM_OWNER_PACKET_OWNER_BPF_H

#include "owner/forwarded.bpf.h"
#include "owner/kernel.bpf.h"
#include "owner/owner.bpf.h"

static __noinline __u64 tm_kernel_owner(void)
{
	struct tm_owner owner = {};

	tm_set_kernel_owner(&owner);
	return tm_get_or_create_owner(&owner);
}

/* A packet socket's frame passes here in the process that sends it, before the socket has storage. */
static __noinline __u64 tm_current_task_owner(void)
{
	struct tm_owner owner = {};

	tm_fill_task_owner(&owner);
	return tm_get_or_create_owner(&owner);
}

/* tm_skb_sender_owner - forwarded packets have no socket, and the kernel's own answers no full one. */
static __noinline __u64 tm_skb_sender_owner(struct __sk_buff *skb, const struct tm_flow_key *key)
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

/*
 * tm_lookup_socket_owner - owner_id of the socket that an incoming packet will be delivered to, which is
 * looked up as the kernel does; 0: there is none.
 */
static __always_inline __u64 tm_lookup_socket_owner(struct __sk_buff *skb,
						    const struct tm_flow_key *key, bool is_tcp)
{
	struct bpf_sock_tuple tuple = {};
	struct tm_socket *socket;
	struct bpf_sock *sk;
	__u64 owner_id = 0;
	__u32 size;

	if (!(key->flags & TM_FLOW_PORTS))
		return 0;
	size = tm_tuple_from_key(key, &tuple);
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
 * tm_skb_receiver_owner - for each new flow of datagrams, and then once a second: a process that only
 * receives sends no packet that would name it, and may have ended before the table is read. Not for TCP,
 * whose receiver acknowledges.
 */
static __noinline __u64 tm_skb_receiver_owner(struct __sk_buff *skb, const struct tm_flow_key *key)
{
	return key->protocol == IPPROTO_UDP ? tm_lookup_socket_owner(skb, key, false) : 0;
}

#endif /* TM_OWNER_PACKET_OWNER_BPF_H */
