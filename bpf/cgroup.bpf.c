/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * cgroup: IP packets of sockets, each counted on its socket, and the owners of the sockets.
 *
 * sock_create runs in the process that opens the socket, and so sets the owner. The programs on packets
 * run in any context, often in that of another process, and count.
 * Always returns TM_CGROUP_ALLOW.
 */
#include "common/program.bpf.h"
#include "owner/adopt.bpf.h"
#include "owner/foreign_netns.bpf.h"
#include "owner/names.bpf.h"
#include "owner/netns.bpf.h"
#include "owner/settle.bpf.h"
#include "owner/socket_storage.bpf.h"
#include "owner/socket_user.bpf.h"
#include "owner/tcp_missed_calls.bpf.h"
#include "parse/ip_segments.bpf.h"

static __always_inline void tm_add_packets(struct tm_socket_counts *counts, bool rx, __u32 packets,
					   __u32 bytes)
{
	if (rx) {
		tm_atomic_add(&counts->rx_packets, packets);
		tm_atomic_add(&counts->rx_bytes, bytes);
	} else {
		tm_atomic_add(&counts->tx_packets, packets);
		tm_atomic_add(&counts->tx_bytes, bytes);
	}
}

/*
 * Incoming packets run with bottom halves off, so no other of our programs adds to the same cell: plain
 * adds. Outgoing ones may be interrupted by an answer that the kernel sends by itself: atomic adds.
 */
static __always_inline void tm_add_to_layer(bool rx, __u32 packets, __u32 bytes, bool owned)
{
	struct tm_layer_counters *layer =
		tm_layer_here(rx ? TM_LAYER_CGROUP_RX : TM_LAYER_CGROUP_TX);

	if (!layer)
		return;
	if (rx) {
		layer->packets += packets;
		layer->bytes += bytes;
	} else {
		tm_atomic_add(&layer->packets, packets);
		tm_atomic_add(&layer->bytes, bytes);
	}
	if (packets > 1)
		tm_atomic_add(&layer->super_packets, 1);
	if (!owned) {
		tm_atomic_add(&layer->unowned_packets, packets);
		tm_atomic_add(&layer->unowned_bytes, bytes);
	}
}

static __always_inline int tm_count_ip(struct __sk_buff *skb, bool rx)
{
	struct bpf_sock *sk = skb->sk, *full = NULL;
	__u32 packets = 1, bytes = skb->len;
	struct tm_socket *socket = NULL;
	bool is_listener = false;
	__u64 owner_id;

	if (sk) {
		/* a socket that is not full has no storage; a test for that would cost each packet a call */
		socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
		if (sk->state == BPF_TCP_LISTEN || skb->gso_segs > 1)
			full = bpf_sk_fullsock(sk);
	}
	if (full) {
		is_listener = full->state == BPF_TCP_LISTEN && full->protocol == IPPROTO_TCP;
		if (skb->gso_segs > 1) {
			packets = skb->gso_segs;
			bytes += (packets - 1) * tm_ip_header_bytes(skb, full->protocol);
		}
	}
	if (!socket)
		socket = tm_adopt_socket(skb);
	tm_add_to_layer(rx, packets, bytes, socket);
	if (!socket)
		return TM_CGROUP_ALLOW;
	if (is_listener) {
		tm_add_packets(&socket->listening, rx, packets, bytes);
		if (socket->kind != TM_SOCKET_USER)
			tm_transfer_counts(socket, 0, 0);
		return TM_CGROUP_ALLOW;
	}
	owner_id = socket->owner_id;
	if (!socket->has_traffic) {
		tm_start_socket(socket);
		owner_id = 0;
	}
	tm_update_socket_owner(skb, socket, rx);
	if (socket->foreign_netns && socket->owner_id != owner_id)
		tm_record_foreign_packet(skb, socket->owner_id, rx);
	tm_add_packets(&socket->own, rx, packets, bytes);
	if (socket->released)
		tm_transfer_counts(socket, 0, 0);
	return TM_CGROUP_ALLOW;
}

SEC("cgroup_skb/ingress")
int tm_cgroup_rx(struct __sk_buff *skb)
{
	return tm_count_ip(skb, true);
}

SEC("cgroup_skb/egress")
int tm_cgroup_tx(struct __sk_buff *skb)
{
	return tm_count_ip(skb, false);
}

SEC("cgroup/sock_create")
int tm_sock_create(struct bpf_sock *sk)
{
	struct tm_owner owner = {};
	__u64 owner_id = tm_get_current_owner(&owner);
	struct tm_socket *made = tm_make_storage(sk, owner_id, owner.pid);

	if (made) {
		made->opened_ns = bpf_ktime_get_ns();
		made->foreign_netns = tm_netns_cookie &&
				      bpf_get_netns_cookie(sk) != tm_netns_cookie;
	}
	if (tm_use_last_users)
		bpf_get_socket_cookie(sk); /* the kernel makes one with the first call */
	return TM_CGROUP_ALLOW;
}

/*
 * Whether to count a connection that has carried no packet: one that was accepted and is closed at once
 * carries its first packet, the FIN, after this, since the last packet of the handshake was its listener's.
 */
static __always_inline bool tm_is_connected(struct bpf_sock *sk)
{
	if (sk->type != SOCK_STREAM ||
	    (sk->protocol != IPPROTO_TCP && sk->protocol != IPPROTO_MPTCP))
		return false;
	return sk->state != BPF_TCP_CLOSE && sk->state != BPF_TCP_LISTEN;
}

/*
 * The last process has closed the socket. TCP may still send what is queued, and the other end answers:
 * then the program on each packet transfers what it counted. Whichever of the two comes later sees the
 * other's writes: `released` is set before the transfer here, and read after counting there.
 */
SEC("cgroup/sock_release")
int tm_sock_release(struct bpf_sock *sk)
{
	struct tm_socket *socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	bool was_released;

	if (!socket)
		return TM_CGROUP_ALLOW;
	if (tm_use_last_users)
		tm_delete_last_user(socket, sk);
	tm_add_missed_bytes(socket, sk);
	if (socket->kind !=
	    TM_SOCKET_USER) { /* plain TCP: see tm_follow_mptcp(), which has seen no packet */
		socket->kind = TM_SOCKET_USER;
		socket->released = 0;
	}
	was_released = socket->released; /* it had ended before it was accepted: sockops.bpf.c */
	socket->released = 1;
	tm_transfer_counts(socket, 0, 0);
	if (!was_released && (socket->has_traffic || tm_is_connected(sk)))
		tm_count_connection(socket);
	return TM_CGROUP_ALLOW;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
