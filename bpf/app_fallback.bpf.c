/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * app_fallback: what app.bpf.c does, where the storage of sockets is out of reach: for tracing programs
 * before 5.11 (8e4597c627fb), for kprobes on all kernels. Kprobes serve where neither fexit (arm64 before
 * 6.4, efc9909fdce0 and 2aa6ac03516d) nor the length tracepoints (6.3) are available.
 *
 * Bytes count on the row of the calling process at once. `last_users` holds the process that used a socket
 * last, by the socket's cookie; with the next packet cgroup.bpf.c hands the socket over to it.
 */
#include "common/program.bpf.h"
#include <bpf/bpf_tracing.h>

#include "owner/cgroup.bpf.h"
#include "owner/names.bpf.h"
#include "owner/owner.bpf.h"

/*
 * tm_record_caller - the current process becomes the last user of the socket.
 * Returns its owner_id, or 0 where it is not monitored.
 */
static __noinline __u64 tm_record_caller(__u64 *cookie, __u32 pid)
{
	struct tm_last_user fresh = {}, *known;
	struct tm_owner owner = {};

	if (!tm_is_current_in_cgroup())
		return 0;
	fresh.owner_id = tm_get_current_owner(&owner);
	fresh.pid = pid;
	if (!*cookie) /* the socket has carried no packet: there is nothing to hand over */
		return fresh.owner_id;
	known = bpf_map_lookup_elem(&last_users, cookie);
	if (known) {
		known->owner_id = fresh.owner_id;
		known->pid = pid;
	} else {
		bpf_map_update_elem(&last_users, cookie, &fresh, BPF_NOEXIST);
	}
	return fresh.owner_id;
}

static __noinline int tm_count_call(struct sock *sk, int length, int rx)
{
	__u64 cookie, id;
	struct tm_last_user *caller = NULL;
	struct tm_owner *owner;
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (length <= 0 || !sk)
		return 0;
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (cookie)
		caller = bpf_map_lookup_elem(&last_users, &cookie);
	id = caller && caller->pid == pid ? caller->owner_id : tm_record_caller(&cookie, pid);
	owner = bpf_map_lookup_elem(&owners, &id);
	if (owner)
		tm_atomic_add(rx ? &owner->app_rx_bytes : &owner->app_tx_bytes, length);
	if (!caller && cookie)
		caller = bpf_map_lookup_elem(&last_users, &cookie);
	if (caller)
		tm_atomic_add(rx ? &caller->app_rx_bytes : &caller->app_tx_bytes, length);
	return 0;
}

static __always_inline struct sock *tm_sock_of(struct socket *socket)
{
	return BPF_CORE_READ(socket, sk);
}

/*
 * sendfile() of other protocols calls the family's sendmsg function (sock_no_sendpage), and is counted
 * there.
 */
static __always_inline int tm_count_sendpage(struct socket *socket, int length)
{
	struct sock *sk = tm_sock_of(socket);
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ? tm_count_call(sk, length, 0)
								  : 0;
}

/* At the functions' exits: the arguments, followed by the result. */

SEC("fexit/inet_sendmsg")
int BPF_PROG(tm_called_send, struct socket *socket, void *message, unsigned long size, int result)
{
	return tm_count_call(tm_sock_of(socket), result, 0);
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(tm_called_send6, struct socket *socket, void *message, unsigned long size, int result)
{
	return tm_count_call(tm_sock_of(socket), result, 0);
}

SEC("fexit/packet_sendmsg")
int BPF_PROG(tm_called_packet, struct socket *socket, void *message, unsigned long size, int result)
{
	return tm_count_call(tm_sock_of(socket), result, 0);
}

SEC("fexit/inet_sendpage")
int BPF_PROG(tm_called_page, struct socket *socket, void *page, int offset, unsigned long size,
	     int flags, long result)
{
	return tm_count_sendpage(socket, result);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(tm_called_receive, struct socket *socket, void *message, unsigned long size, int flags,
	     int result)
{
	return flags & TM_MSG_NOT_CONSUMED ? 0 : tm_count_call(tm_sock_of(socket), result, 1);
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(tm_called_receive6, struct socket *socket, void *message, unsigned long size,
	     int flags, int result)
{
	return flags & TM_MSG_NOT_CONSUMED ? 0 : tm_count_call(tm_sock_of(socket), result, 1);
}

SEC("fexit/tcp_splice_read")
int BPF_PROG(tm_called_splice, struct socket *socket, void *position, void *pipe,
	     unsigned long size, unsigned int flags, long result)
{
	return tm_count_call(tm_sock_of(socket), result, 1);
}

/* The same by kprobes: the entry stores its arguments for the exit, by thread. */

static __always_inline int tm_call_entry(struct socket *socket, int flags, bool is_page)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct tm_inflight_call call = { .socket = (__u64)socket,
					 .flags = flags,
					 .is_page = is_page };

	bpf_map_update_elem(&inflight_calls, &thread, &call, BPF_ANY);
	return 0;
}

/* The exit of an inner call (sendmsg of sendpage) counts and deletes the entry, so the outer one does not
 * count again. */
static __always_inline int tm_call_exit(int length, int rx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct tm_inflight_call *found = bpf_map_lookup_elem(&inflight_calls, &thread), call;
	struct socket *socket;

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&inflight_calls, &thread);
	socket = (void *)call.socket;
	if (call.is_page)
		return tm_count_sendpage(socket, length);
	return rx && call.flags & TM_MSG_NOT_CONSUMED
		       ? 0
		       : tm_count_call(tm_sock_of(socket), length, rx);
}

SEC("kprobe/inet_sendmsg")
int BPF_KPROBE(tm_enter_send, struct socket *socket)
{
	return tm_call_entry(socket, 0, false);
}

SEC("kretprobe/inet_sendmsg")
int BPF_KRETPROBE(tm_leave_send, int result)
{
	return tm_call_exit(result, 0);
}

SEC("kprobe/inet6_sendmsg")
int BPF_KPROBE(tm_enter_send6, struct socket *socket)
{
	return tm_call_entry(socket, 0, false);
}

SEC("kretprobe/inet6_sendmsg")
int BPF_KRETPROBE(tm_leave_send6, int result)
{
	return tm_call_exit(result, 0);
}

SEC("kprobe/packet_sendmsg")
int BPF_KPROBE(tm_enter_packet, struct socket *socket)
{
	return tm_call_entry(socket, 0, false);
}

SEC("kretprobe/packet_sendmsg")
int BPF_KRETPROBE(tm_leave_packet, int result)
{
	return tm_call_exit(result, 0);
}

SEC("kprobe/inet_sendpage")
int BPF_KPROBE(tm_enter_page, struct socket *socket)
{
	return tm_call_entry(socket, 0, true);
}

SEC("kretprobe/inet_sendpage")
int BPF_KRETPROBE(tm_leave_page, int result)
{
	return tm_call_exit(result, 0);
}

SEC("kprobe/inet_recvmsg")
int BPF_KPROBE(tm_enter_receive, struct socket *socket, void *message, unsigned long size,
	       int flags)
{
	return tm_call_entry(socket, flags, false);
}

SEC("kretprobe/inet_recvmsg")
int BPF_KRETPROBE(tm_leave_receive, int result)
{
	return tm_call_exit(result, 1);
}

SEC("kprobe/inet6_recvmsg")
int BPF_KPROBE(tm_enter_receive6, struct socket *socket, void *message, unsigned long size,
	       int flags)
{
	return tm_call_entry(socket, flags, false);
}

SEC("kretprobe/inet6_recvmsg")
int BPF_KRETPROBE(tm_leave_receive6, int result)
{
	return tm_call_exit(result, 1);
}

SEC("kprobe/tcp_splice_read")
int BPF_KPROBE(tm_enter_splice, struct socket *socket)
{
	return tm_call_entry(socket, 0, false);
}

SEC("kretprobe/tcp_splice_read")
int BPF_KRETPROBE(tm_leave_splice, int result)
{
	return tm_call_exit(result, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
