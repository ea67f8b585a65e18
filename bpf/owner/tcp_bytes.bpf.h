/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Bytes by the counters of TCP sockets themselves.
 *
 * A FIN takes a sequence number, and tcp_rcv_nxt_update() counts it as a byte received. The application
 * never reads that byte, so it is subtracted here.
 */
#ifndef TM_OWNER_TCP_BYTES_BPF_H
#define TM_OWNER_TCP_BYTES_BPF_H

#include "common/program.bpf.h"

#define TM_SRTT_SHIFT 3 /* the kernel keeps eight times the smoothed round trip time */

#define TM_SOCK_DONE (1 << 1) /* include/net/sock.h, enum sock_flags: the other end's FIN is here */

/* The TCP socket of a sock_ops program, or NULL where that is not a full one. */
static __always_inline struct tcp_sock *tm_ops_tcp(struct bpf_sock_ops *ops)
{
	return ops->sk ? bpf_skc_to_tcp_sock(ops->sk) : NULL;
}

/* Bytes that arrived in order. */
static __always_inline __u64 tm_tcp_received_bytes(struct sock *sk, struct tcp_sock *tcp)
{
	bool has_fin = sk->__sk_common.skc_flags & TM_SOCK_DONE;

	return tcp->bytes_received - has_fin;
}

/* Of @received bytes, those that the application has read. A FIN that is still queued is in @unread, too. */
static __always_inline __u64 tm_read_of_received(__u64 received, __u32 unread, bool has_fin)
{
	return received - has_fin - (has_fin && unread ? unread - 1 : unread);
}

/* Bytes that the application has read since the connection was opened. */
static __always_inline __u64 tm_tcp_read_bytes(struct sock *sk, struct tcp_sock *tcp)
{
	return tm_read_of_received(tcp->bytes_received, tcp->rcv_nxt - tcp->copied_seq,
				   sk->__sk_common.skc_flags & TM_SOCK_DONE);
}

/* Bytes that the application has written since the connection was opened: sent once, or queued. */
static __always_inline __u64 tm_tcp_written_bytes(struct sock *sk, struct tcp_sock *tcp)
{
	__u8 state = sk->__sk_common.skc_state;
	bool sends_fin = state == BPF_TCP_FIN_WAIT1 || state == BPF_TCP_LAST_ACK ||
			 state == BPF_TCP_CLOSING;
	__u32 unsent = tcp->write_seq - tcp->snd_nxt;

	/* without a queued FIN */
	return tcp->bytes_sent - tcp->bytes_retrans + (sends_fin && unsent ? unsent - 1 : unsent);
}

/* Record what the application had read and written before attach, to subtract it. */
static __always_inline void tm_record_tcp_baseline(struct tm_socket *socket, void *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp)
		return;
	socket->tcp_read_bytes = tm_tcp_read_bytes((struct sock *)tcp, tcp);
	socket->tcp_read_at_attach = socket->tcp_read_bytes;
	socket->tcp_written_at_attach = tm_tcp_written_bytes((struct sock *)tcp, tcp);
	socket->first_write_seq = tcp->write_seq;
	socket->write_seq_flags = TM_WRITE_SEQ_AT_ATTACH;
}

#endif /* TM_OWNER_TCP_BYTES_BPF_H */
