/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The process that uses a socket becomes its owner, by a program that runs in that process.
 */
#ifndef TM_OWNER_TAKEOVER_BPF_H
#define TM_OWNER_TAKEOVER_BPF_H

#include "owner/names.bpf.h"
#include "owner/settle.bpf.h"
#include "owner/cgroup.bpf.h"

const volatile __u32 tm_may_take_over =
	1; /* 0: programs of this type may not call bpf_get_current_task() */

/* No process has used it: it was accepted, or opened by a super-server or by the kernel. */
static __always_inline bool tm_is_unused(const struct tm_socket *socket)
{
	return !socket->used_by_process && !socket->own.app_rx_bytes && !socket->own.app_tx_bytes &&
	       !socket->settled.rx_packets && !socket->settled.tx_packets &&
	       (socket->role == TM_ROLE_PASSIVE || !socket->pid);
}

/*
 * tm_hand_over - @owner_id becomes the owner. What was counted before stays with the old owner, unless no
 * process has used the socket yet: then the new owner gets all.
 */
static __noinline int tm_hand_over(struct tm_socket *socket, __u64 owner_id, __u32 pid)
{
	if (!tm_is_unused(socket))
		return tm_transfer_counts(socket, owner_id, pid);
	socket->owner_id = owner_id;
	socket->pid = pid;
	return 0;
}

/*
 * owner_id of the current process; 0: it is outside the monitored cgroup, or cannot be read. A global
 * function, which the verifier checks once (see owner/names.bpf.h).
 */
__noinline __u64 tm_current_owner_in_cgroup(void)
{
	struct tm_owner owner = {};

	if (!tm_may_take_over || !tm_is_current_in_cgroup())
		return 0;
	return tm_get_current_owner(&owner);
}

/* tm_take_over - the current process, which is not the owner, becomes it. */
static __noinline int tm_take_over(struct tm_socket *socket)
{
	__u64 id = tm_current_owner_in_cgroup();

	if (!id)
		return 0;
	tm_hand_over(socket, id, tm_current_pid());
	socket->used_by_process = 1;
	return 0;
}

#endif /* TM_OWNER_TAKEOVER_BPF_H */
