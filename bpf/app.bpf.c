/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * app: payload as applications write and read it, and the process that does so.
 *
 * All of these run in the process that moves the bytes. Where that is not the socket's owner, the socket
 * is handed over: an accepted connection to the worker, a passed descriptor's socket to its receiver.
 *
 * Reads of TCP are counted at tcp_rcv_space_adjust(), which the kernel calls under the socket's lock
 * wherever an application has taken data (recvmsg, splice, read_sock, zero copy, io_uring) and not for
 * MSG_PEEK: the socket's own sequence numbers say how much. The rest is counted at the length tracepoints
 * (6.3, 6e6eda44b939), on older kernels at the exit of the protocol families' functions.
 */
#include "common/program.bpf.h"
#include "owner/foreign_netns.bpf.h"
#include "owner/names.bpf.h"
#include "owner/settle.bpf.h"
#include "owner/owner.bpf.h"
#include "owner/socket_storage.bpf.h"
#include "owner/takeover.bpf.h"
#include "owner/tcp_bytes.bpf.h"

/*
 * An AF_PACKET socket passes no cgroup hook: its storage is made here. Other sockets without storage are
 * outside the monitored cgroup, or of another family than IPv4 and IPv6.
 */
static __noinline int tm_adopt_packet_socket(struct sock *sk)
{
	struct tm_owner owner = {};
	struct tm_socket *made;
	__u64 owner_id;

	if (!tm_is_current_in_cgroup())
		return 0;
	owner_id = tm_get_current_owner(&owner);
	made = tm_make_storage(sk, owner_id, owner.pid);
	if (!made)
		return 0;
	made->has_traffic = 1;
	made->opened_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline struct tm_socket *tm_socket_of_call(struct sock *sk)
{
	struct tm_socket *socket = NULL;

	/* every message of the machine passes here, also of other families: return early for those */
	if (sk->sk_bpf_storage)
		socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!socket) {
		if (sk->__sk_common.skc_family == AF_PACKET)
			tm_adopt_packet_socket(sk);
		return NULL;
	}
	if (socket->pid != bpf_get_current_pid_tgid() >> 32) {
		tm_take_over(socket);
		if (socket->foreign_netns)
			tm_record_foreign_socket(sk, socket->owner_id);
	}
	return socket;
}

/* The layer's total is the sum over owners, which saves an add per call. */
static __always_inline void tm_count_app(struct tm_socket *socket, bool rx, __u64 bytes)
{
	tm_atomic_add(rx ? &socket->own.app_rx_bytes : &socket->own.app_tx_bytes, bytes);
}

static __always_inline int tm_count_sent(struct sock *sk, int length)
{
	struct tm_socket *socket;

	if (length <= 0 || !sk)
		return 0;
	socket = tm_socket_of_call(sk);
	if (!socket && sk->__sk_common.skc_family == AF_PACKET) /* made above */
		socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!socket)
		return 0;
	tm_count_app(socket, false, length);
	if (sk->__sk_common.skc_family == AF_PACKET) /* no hook runs at its close */
		tm_transfer_counts(socket, 0, 0);
	return 0;
}

/* TCP's reads are counted by tm_tcp_read(). */
static __always_inline int tm_count_received(struct sock *sk, int length, int flags)
{
	struct tm_socket *socket;

	if (length <= 0 || flags & TM_MSG_NOT_CONSUMED || !sk || sk->sk_protocol == IPPROTO_TCP)
		return 0;
	socket = tm_socket_of_call(sk);
	if (!socket)
		return 0;
	tm_count_app(socket, true, length);
	if (sk->__sk_common.skc_family == AF_PACKET)
		tm_transfer_counts(socket, 0, 0);
	return 0;
}

/* @arguments: those of the function or tracepoint, in order; at a function's exit the result follows. */
SEC("tp_btf/tcp_rcv_space_adjust")
int tm_tcp_read(__u64 *arguments)
{
	struct sock *sk = (void *)arguments[0];
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct tm_socket *socket;
	__u64 read, more;

	if (!tcp)
		return 0;
	socket = tm_socket_of_call(sk);
	if (!socket)
		return 0;
	read = tm_tcp_read_bytes(sk, tcp);
	more = read - socket->tcp_read_bytes;
	if ((s64)more <= 0)
		return 0;
	socket->tcp_read_bytes = read;
	tm_count_app(socket, true, more);
	return 0;
}

/* sk, length, flags */
SEC("tp_btf/sock_send_length")
int tm_send_length(__u64 *arguments)
{
	return tm_count_sent((void *)arguments[0], arguments[1]);
}

SEC("tp_btf/sock_recv_length")
int tm_receive_length(__u64 *arguments)
{
	return tm_count_received((void *)arguments[0], arguments[1], arguments[2]);
}

/* socket, message, size, result */
static __always_inline int tm_sendmsg(__u64 *arguments)
{
	struct socket *socket = (void *)arguments[0];

	return tm_count_sent(socket->sk, arguments[3]);
}

SEC("fexit/inet_sendmsg")
int tm_inet_sendmsg(__u64 *arguments)
{
	return tm_sendmsg(arguments);
}

SEC("fexit/inet6_sendmsg")
int tm_inet6_sendmsg(__u64 *arguments)
{
	return tm_sendmsg(arguments);
}

SEC("fexit/packet_sendmsg")
int tm_packet_sendmsg(__u64 *arguments)
{
	return tm_sendmsg(arguments);
}

/* sendfile() and splice() until 6.5 (2bfc66850952): socket, page, offset, size, flags, result */
SEC("fexit/inet_sendpage")
int tm_inet_sendpage(__u64 *arguments)
{
	struct socket *socket = (void *)arguments[0];
	__u16 protocol = socket->sk->sk_protocol;

	/* other protocols call the family's sendmsg function (sock_no_sendpage) */
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return 0;
	return tm_count_sent(socket->sk, arguments[5]);
}

/* socket, message, size, flags, result */
static __always_inline int tm_recvmsg(__u64 *arguments)
{
	struct socket *socket = (void *)arguments[0];

	return tm_count_received(socket->sk, arguments[4], arguments[3]);
}

SEC("fexit/inet_recvmsg")
int tm_inet_recvmsg(__u64 *arguments)
{
	return tm_recvmsg(arguments);
}

SEC("fexit/inet6_recvmsg")
int tm_inet6_recvmsg(__u64 *arguments)
{
	return tm_recvmsg(arguments);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
