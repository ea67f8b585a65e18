/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is monitored of sockets: families, and the network namespace of the monitored interfaces.
 */
#ifndef TM_OWNER_NETNS_BPF_H
#define TM_OWNER_NETNS_BPF_H

#include "common/program.bpf.h"

const volatile __u64 tm_netns_cookie; /* 0: not known */

/* By the kernel's socket, for tracing programs and iterators. */
static __always_inline bool tm_is_in_foreign_netns(struct sock *sk)
{
	struct net *net = sk->__sk_common.skc_net.net;

	if (!tm_netns_cookie || !bpf_core_field_exists(net->net_cookie))
		return false;
	return net->net_cookie != tm_netns_cookie;
}

/* Sockets of these families send and receive packets. */
static __always_inline bool tm_is_packet_family(__u16 family)
{
	return family == AF_INET || family == AF_INET6 || family == AF_PACKET;
}

#endif /* TM_OWNER_NETNS_BPF_H */
