/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Owners by `last_users`: where the app layer cannot reach the storage of sockets, its programs record
 * there which process used a socket last, by the socket's cookie (app_fallback.bpf.c).
 */
#ifndef TM_OWNER_LAST_USER_BPF_H
#define TM_OWNER_LAST_USER_BPF_H

#include "owner/takeover.bpf.h"

const volatile __u32 tm_use_last_users; /* 1: the app layer records hand-overs in `last_users` */

/* tm_apply_last_user - the process that used the socket last becomes its owner. */
static __noinline int tm_apply_last_user(struct tm_socket *socket, __u64 cookie)
{
	struct tm_last_user *caller = bpf_map_lookup_elem(&last_users, &cookie);

	if (!caller)
		return 0;
	if (caller->owner_id != socket->owner_id)
		tm_hand_over(socket, caller->owner_id, caller->pid);
	socket->used_by_process = 1;
	return 0;
}

/* tm_set_last_user - the owner, which is in a call now, shall not lose the socket to an earlier caller. */
static __always_inline void tm_set_last_user(struct tm_socket *socket, __u64 cookie)
{
	struct tm_last_user *caller = bpf_map_lookup_elem(&last_users, &cookie);

	if (!caller)
		return;
	caller->owner_id = socket->owner_id;
	caller->pid = socket->pid;
}

static __always_inline void tm_delete_last_user(struct tm_socket *socket, struct bpf_sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);

	tm_apply_last_user(socket, cookie);
	bpf_map_delete_elem(&last_users, &cookie);
}

#endif /* TM_OWNER_LAST_USER_BPF_H */
