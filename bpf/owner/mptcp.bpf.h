/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * MPTCP: processes use one socket, and TCP sockets of the kernel (subflows) carry its packets.
 *
 * sock_create and the app layer see the former, programs on packets the latter. The helper that leads from
 * a subflow to its MPTCP socket came with 5.19 (3bc253c2e652). Before that subflows have a user and a
 * cgroup, but no process.
 */
#ifndef TM_OWNER_MPTCP_BPF_H
#define TM_OWNER_MPTCP_BPF_H

#include "owner/socket_storage.bpf.h"

const volatile __u32 tm_has_mptcp; /* 1: the kernel has that helper */

/* The storage of the MPTCP socket that @sk is a subflow of, or NULL. */
static __always_inline struct tm_socket *tm_mptcp_socket(void *sk)
{
	struct mptcp_sock *mptcp;

	if (!tm_has_mptcp)
		return NULL;
	mptcp = bpf_skc_to_mptcp_sock(sk);
	return mptcp ? bpf_sk_storage_get(&sockets, mptcp, NULL, 0) : NULL;
}

#endif /* TM_OWNER_MPTCP_BPF_H */
