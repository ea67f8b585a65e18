/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The kernel as an owner: of what it sends by itself.
 */
#ifndef TM_OWNER_KERNEL_BPF_H
#define TM_OWNER_KERNEL_BPF_H

#include "owner/owner.bpf.h"

/*
 * The kernel answers (ICMP, TCP's resets) from raw sockets of the root cgroup that no process has opened.
 * Those of processes have storage, if the root cgroup is monitored; where another one is, readers ignore
 * this owner (trafficmon/model/owners.py).
 */
static __always_inline void tm_set_kernel_owner(struct tm_owner *owner)
{
	owner->started_ns = TM_KERNEL_STARTED_NS;
	owner->cgroup_id = TM_ROOT_CGROUP_ID;
	owner->uid = 0;
	__builtin_memcpy(owner->comm, "kernel", sizeof("kernel"));
}

/* The helper for the cgroup is called for raw sockets only, of which there are few. */
#define tm_is_kernel_socket(sk, skb)                            \
	((sk)->type == SOCK_RAW && (sk)->family != AF_PACKET && \
	 bpf_skb_cgroup_id(skb) == TM_ROOT_CGROUP_ID)

#endif /* TM_OWNER_KERNEL_BPF_H */
