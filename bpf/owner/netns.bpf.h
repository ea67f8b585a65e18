/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The network namespace of the monitored interfaces.
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

#endif /* TM_OWNER_NETNS_BPF_H */
