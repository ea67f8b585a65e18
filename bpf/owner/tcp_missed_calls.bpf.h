/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Bytes of calls that no program of the app layer has seen, added at the last close.
 *
 * The kernel skips a tracing program on a CPU that is running the same program: where tracepoints can be
 * preempted (seen on 7.3) a call is not counted then. TCP's own sequence numbers have its bytes. A missed
 * receive counts with the next one; this adds the last ones, and sends.
 *
 * At the last close no call is running, but other CPUs may handle packets. So a counter is read before
 * those that are subtracted from it: the difference may be too small then, never too large. By
 * bpf_core_read(), as programs of this type may not call bpf_skc_to_tcp_sock().
 */
#ifndef TM_OWNER_TCP_MISSED_CALLS_BPF_H
#define TM_OWNER_TCP_MISSED_CALLS_BPF_H

#include "common/atomic.bpf.h"
#include "common/owner_maps.bpf.h"
#include "owner/tcp_bytes.bpf.h"

/* 1: the app layer counts on sockets, and programs of this kind may read the kernel's memory */
const volatile __u32 tm_app_on_sockets;

#define TM_MAX_MISSED_BYTES (1U << 31) /* more is a negative difference of sequence numbers */

/* TLS and sockmaps add bytes of their own to the stream, or remove some. */
static __always_inline bool tm_has_plain_stream(struct sock *sk)
{
	struct inet_connection_sock *connection = (void *)sk;
	const void *layer = NULL, *user = NULL;

	return !bpf_core_read(&layer, sizeof(layer), &connection->icsk_ulp_ops) && !layer &&
	       !bpf_core_read(&user, sizeof(user), &sk->sk_user_data) && !user;
}

static __always_inline void tm_add_missed_reads(struct tm_socket *socket, struct sock *sk)
{
	struct tcp_sock *tcp = (void *)sk;
	bool has_fin = BPF_CORE_READ(sk, __sk_common.skc_flags) & TM_SOCK_DONE;
	__u64 received = BPF_CORE_READ(tcp, bytes_received);
	__u32 unread = BPF_CORE_READ(tcp, rcv_nxt);
	__u64 read, more;

	unread -= BPF_CORE_READ(tcp, copied_seq);
	read = tm_read_of_received(received, unread, has_fin);
	more = read - socket->tcp_read_bytes;
	if (!more || more >= TM_MAX_MISSED_BYTES)
		return;
	socket->tcp_read_bytes = read;
	tm_atomic_add(&socket->own.app_rx_bytes, more);
}

static __always_inline void tm_add_missed_writes(struct tm_socket *socket, struct sock *sk)
{
	struct tcp_sock *tcp = (void *)sk;
	__u32 end, more;

	if (!(socket->write_seq_flags & TM_WRITE_SEQ_FIRST))
		return;
	end = socket->write_seq_flags & TM_WRITE_SEQ_END ? socket->end_write_seq
							 : BPF_CORE_READ(tcp, write_seq);
	if (socket->write_seq_flags & TM_WRITE_SEQ_FIN)
		end--;
	more = end - socket->first_write_seq - (__u32)socket->own.app_tx_bytes;
	if (more && more < TM_MAX_MISSED_BYTES)
		tm_atomic_add(&socket->own.app_tx_bytes, more);
}

/* tm_add_missed_bytes - of the calls on @sk that were missed; before its counts are transferred. */
static __always_inline void tm_add_missed_bytes(struct tm_socket *socket, struct bpf_sock *sk)
{
	struct sock *kernels = (void *)sk;

	if (!tm_app_on_sockets || sk->protocol != IPPROTO_TCP || sk->type != SOCK_STREAM)
		return;
	if (!tm_has_plain_stream(kernels))
		return;
	tm_add_missed_reads(socket, kernels);
	tm_add_missed_writes(socket, kernels);
}

#endif /* TM_OWNER_TCP_MISSED_CALLS_BPF_H */
