/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The process that uses a socket now, brought up to date before a packet of it counts.
 */
#ifndef TM_OWNER_SOCKET_USER_BPF_H
#define TM_OWNER_SOCKET_USER_BPF_H

#include "owner/last_user.bpf.h"
#include "owner/mptcp.bpf.h"
#include "owner/sender.bpf.h"

static __always_inline void tm_start_socket(struct tm_socket *socket)
{
	socket->has_traffic = 1;
	if (socket->predates_attach && socket->role != TM_ROLE_PASSIVE)
		return;
	/* an accepted socket has its listener's id; sock_ops has recorded when it was opened */
	socket->id = tm_new_socket_id();
	if (socket->role != TM_ROLE_PASSIVE)
		socket->opened_ns = bpf_ktime_get_ns();
}

/*
 * A subflow takes the owner of its MPTCP socket. A listener for MPTCP also accepts plain TCP, from clients
 * without MPTCP: such a socket belongs to the process itself.
 */
static __noinline int tm_follow_mptcp(struct __sk_buff *skb, struct tm_socket *socket, bool rx)
{
	struct bpf_sock *sk = skb->sk;
	struct mptcp_sock *mptcp;
	struct tm_socket *user;

	if (!sk || !tm_has_mptcp)
		return 0;
	mptcp = bpf_skc_to_mptcp_sock(sk);
	if (!mptcp) {
		socket->kind = TM_SOCKET_USER;
		socket->released = 0;
		return 0;
	}
	user = bpf_sk_storage_get(&sockets, mptcp, NULL, 0);
	if (!user)
		return 0;
	if (!user->has_traffic) {
		tm_start_socket(user);
		user->role = socket->role;
	}
	if (!rx && tm_may_check_sender && user->pid != tm_current_pid())
		tm_check_sender(skb, socket, user);
	if (user->owner_id != socket->owner_id)
		tm_hand_over(socket, user->owner_id, user->pid);
	socket->used_by_process |= user->used_by_process;
	return 0;
}

/* tm_update_socket_owner - make the process that uses the socket now its owner. */
static __always_inline void tm_update_socket_owner(struct __sk_buff *skb, struct tm_socket *socket,
						   bool rx)
{
	if (tm_use_last_users)
		tm_apply_last_user(socket, bpf_get_socket_cookie(skb));
	if (socket->kind == TM_SOCKET_SUBFLOW)
		tm_follow_mptcp(skb, socket, rx);
	else if (!rx && tm_may_check_sender && socket->pid != tm_current_pid()) {
		tm_check_sender(skb, socket, socket);
		if (tm_use_last_users)
			tm_set_last_user(socket, bpf_get_socket_cookie(skb));
	}
}

#endif /* TM_OWNER_SOCKET_USER_BPF_H */
