/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What TCP sockets count themselves.
 *
 * A FIN takes a sequence number, and tcp_rcv_nxt_update() counts it as a byte received. It is none to
 * the application, whether that has come to it (recv() gave 0) or not.
 */
#ifndef TM_TCP_BPF_H
#define TM_TCP_BPF_H

#define TM_SOCK_DONE (1 << 1) /* include/net/sock.h, enum sock_flags: the other end's FIN is here */

static __always_inline __u64 tm_tcp_arrived(struct sock *sk, struct tcp_sock *tcp)
{
	bool has_fin = sk->__sk_common.skc_flags & TM_SOCK_DONE;

	return tcp->bytes_received - has_fin;
}

/* Of what was received, what the application has taken; a FIN that waits behind @unread is in both. */
static __always_inline __u64 tm_taken_of(__u64 received, __u32 unread, bool has_fin)
{
	return received - has_fin - (has_fin && unread ? unread - 1 : unread);
}

/* Bytes taken by the application since the connection began. */
static __always_inline __u64 tm_tcp_taken(struct sock *sk, struct tcp_sock *tcp)
{
	return tm_taken_of(tcp->bytes_received, tcp->rcv_nxt - tcp->copied_seq,
			   sk->__sk_common.skc_flags & TM_SOCK_DONE);
}

/* What the application has read of a socket before it was watched is not to count as read since. */
static __always_inline __u64 tm_tcp_taken_before(void *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp ? tm_tcp_taken((struct sock *)tcp, tcp) : 0;
}

#endif /* TM_TCP_BPF_H */
