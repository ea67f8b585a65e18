/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Sockets that a packet shows and sock_create has not seen: opened before attach, or by the kernel.
 */
#ifndef TM_OWNER_ADOPT_BPF_H
#define TM_OWNER_ADOPT_BPF_H

#include "common/kernel_memory.bpf.h"
#include "owner/kernel.bpf.h"
#include "owner/mptcp.bpf.h"
#include "owner/socket_storage.bpf.h"
#include "owner/tcp_bytes.bpf.h"

static __always_inline bool tm_is_opened_by_kernel(struct __sk_buff *skb)
{
	struct sock *sk = tm_skb_sock(skb);

	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

/*
 * A socket that the kernel has opened. No program runs when the kernel closes it, so it counts as closed
 * from the start: each packet's counts are transferred at once.
 */
static __always_inline void tm_mark_kernel_opened(struct tm_socket *made, void *sk)
{
	struct tm_socket *user = tm_mptcp_socket(sk);

	made->kind = TM_SOCKET_KERNEL;
	made->released = 1;
	if (!user)
		return;
	made->kind = TM_SOCKET_SUBFLOW;
	made->owner_id = user->owner_id;
	made->pid = user->pid;
}

/* tm_adopt_socket - with the owner that the packet shows: user and cgroup, or the kernel. */
static __noinline struct tm_socket *tm_adopt_socket(struct __sk_buff *skb)
{
	struct tm_owner owner = {};
	struct bpf_sock *sk = skb->sk;
	struct tm_socket *made;

	if (!sk)
		return NULL;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return NULL;
	owner.uid = bpf_get_socket_uid(skb);
	owner.cgroup_id = bpf_skb_cgroup_id(skb);
	if (tm_is_kernel_socket(sk, skb))
		tm_set_kernel_owner(&owner);
	made = tm_make_storage(sk, tm_get_or_create_owner(&owner), 0);
	if (!made)
		return NULL;
	made->predates_attach = 1;
	if (sk->protocol == IPPROTO_TCP && sk->state != BPF_TCP_LISTEN)
		tm_record_tcp_baseline(made, sk);
	if (tm_read_kernel && tm_is_opened_by_kernel(skb))
		tm_mark_kernel_opened(made, sk);
	return made;
}

#endif /* TM_OWNER_ADOPT_BPF_H */
