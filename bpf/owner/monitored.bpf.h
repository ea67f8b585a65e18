/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Packets and sockets that are monitored: of one network namespace, or of one cgroup in any namespace.
 */
#ifndef TM_OWNER_MONITORED_BPF_H
#define TM_OWNER_MONITORED_BPF_H

#include "owner/cgroup.bpf.h"
#include "owner/netns.bpf.h"

const volatile __u64 tm_netns_inode;

/* By inode and cookie: a new namespace may get the inode number of one that was removed. */
static __noinline int tm_is_monitored_netns(struct net *net)
{
	if (!net || BPF_CORE_READ(net, ns.inum) != tm_netns_inode)
		return false;
	if (!tm_netns_cookie || !bpf_core_field_exists(net->net_cookie))
		return true;
	return BPF_CORE_READ(net, net_cookie) == tm_netns_cookie;
}

static __always_inline bool tm_is_monitored_device(struct net_device *device)
{
	return device && tm_is_monitored_netns(BPF_CORE_READ(device, nd_net.net));
}

/* Request and TIME_WAIT sockets are other structures. */
static __always_inline bool tm_is_full_socket(__u8 state)
{
	return state != BPF_TCP_TIME_WAIT && state != BPF_TCP_NEW_SYN_RECV;
}

/* Whether @sk is in the monitored namespace, or in the monitored cgroup (tm_cgroup_id 0: there is none). */
static __noinline int tm_is_monitored_socket(struct sock *sk)
{
	__u16 family;

	if (!sk)
		return false;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (!tm_is_packet_family(family))
		return false;
	if (tm_is_monitored_netns(BPF_CORE_READ(sk, __sk_common.skc_net.net)))
		return true;
	if (!tm_cgroup_id || !tm_is_full_socket(BPF_CORE_READ(sk, __sk_common.skc_state)))
		return false;
	return tm_cgroup_id == TM_ROOT_CGROUP_ID ||
	       (bpf_core_field_exists(sk->sk_cgrp_data.cgroup) &&
		tm_is_cgroup_within(BPF_CORE_READ(sk, sk_cgrp_data.cgroup)));
}

#endif /* TM_OWNER_MONITORED_BPF_H */
