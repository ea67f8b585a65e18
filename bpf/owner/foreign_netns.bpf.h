/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Sockets of other network namespaces than that of the monitored interfaces: those of containers.
 *
 * Their packets are forwarded by those interfaces, so they have no socket there, and often other addresses.
 * So the socket's own addresses and ports are recorded with its owner: with its first packet and when its
 * owner changes. forwarded.bpf.h looks them up.
 */
#ifndef TM_OWNER_FOREIGN_NETNS_BPF_H
#define TM_OWNER_FOREIGN_NETNS_BPF_H

#include "common/flow_key.bpf.h"
#include "common/owner_maps.bpf.h"

/* tm_record_foreign_packet - the ends of a packet at cgroup_skb belong to @owner_id from now on. */
static __noinline int tm_record_foreign_packet(struct __sk_buff *skb, __u64 owner_id, bool rx)
{
	struct tm_flow_key key = {}; /* as if it went out */

	if (tm_key_from_ip(skb, rx, &key))
		return 0;
	bpf_map_update_elem(&foreign_owners, &key, &owner_id, BPF_ANY);
	if (key.protocol == IPPROTO_TCP)
		return 0;
	/* a datagram socket that is not connected has many remote ends: one entry for all of them */
	__builtin_memset(key.remote_addr, 0, sizeof(key.remote_addr));
	key.remote_port_be = 0;
	bpf_map_update_elem(&foreign_owners, &key, &owner_id, BPF_ANY);
	return 0;
}

/* tm_record_foreign_socket - the ends of a connected socket belong to @owner_id from now on. */
static __noinline int tm_record_foreign_socket(struct sock *sk, __u64 owner_id)
{
	struct tm_flow_key key = {};

	if (!tm_key_from_sock(sk, &key))
		bpf_map_update_elem(&foreign_owners, &key, &owner_id, BPF_ANY);
	return 0;
}

#endif /* TM_OWNER_FOREIGN_NETNS_BPF_H */
