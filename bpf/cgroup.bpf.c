/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * cgroup: IP packets of sockets, each counted on its socket, and whose the sockets are.
 *
 * sock_create runs in the process that opens the socket, so there it is known who; the packets'
 * programs run wherever the packet is dealt with, often in another process, and only count.
 * Always answers "allow".
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "owner/names.bpf.h"
#include "owner/foreign_netns.bpf.h"
#include "parse/ip_size.bpf.h"
#include "owner/kernel.bpf.h"
#include "owner/tcp_missed_calls.bpf.h"
#include "owner/settle.bpf.h"
#include "owner/mptcp.bpf.h"
#include "owner/owner.bpf.h"
#include "owner/sender.bpf.h"
#include "owner/socket_storage.bpf.h"
#include "owner/takeover.bpf.h"
#include "owner/tcp_bytes.bpf.h"

#define TM_ALLOW 1

const volatile __u32 tm_read_kernel;	/* 1: programs on packets may read the kernel's memory */
const volatile __u32 tm_use_last_users; /* 1: the app layer tells hand-overs in `last_users` */

static __always_inline bool tm_is_opened_by_kernel(struct __sk_buff *skb)
{
	struct sock *sk = tm_skb_sock(skb);

	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

/*
 * A socket that the kernel has opened. No program hears when it closes that, so what it counts is not to
 * wait for that: it counts as closed from the start.
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

/* A socket that was there before attach, or is the kernel's own: of what is known of it. */
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

static __always_inline void tm_start_socket(struct tm_socket *socket)
{
	socket->has_traffic = 1;
	if (socket->predates_attach && socket->role != TM_ROLE_PASSIVE)
		return;
	/* an accepted socket has its listener's; when it was opened sock_ops has noted */
	socket->id = tm_new_socket_id();
	if (socket->role != TM_ROLE_PASSIVE)
		socket->opened_ns = bpf_ktime_get_ns();
}

/*
 * What comes in does so with bottom halves off, so no other of our programs adds to the same cell
 * meanwhile. What goes out may be interrupted by an answer that the kernel sends by itself.
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

/* Another process has used the socket, as the app layer tells where it cannot reach its storage. */
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

/* And the other way round: who is in the middle of a call is not to lose it to who called last. */
static __always_inline void tm_set_last_user(struct tm_socket *socket, __u64 cookie)
{
	struct tm_last_user *caller = bpf_map_lookup_elem(&last_users, &cookie);

	if (!caller)
		return;
	caller->owner_id = socket->owner_id;
	caller->pid = socket->pid;
}

/*
 * The packet's socket is an MPTCP socket's: it goes where that goes. A listener that speaks MPTCP has
 * sockets of plain TCP, too, for clients that do not: those are processes' own.
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

/* tm_update_socket_owner - who has the socket now, before a packet of it counts. */
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

static __always_inline int tm_count_ip(struct __sk_buff *skb, bool rx)
{
	struct bpf_sock *sk = skb->sk, *full = NULL;
	__u32 packets = 1, bytes = skb->len;
	struct tm_socket *socket = NULL;
	bool is_listener = false;
	__u64 owner_id;

	if (sk) {
		/* what is no full socket has none; to ask for that first would be one more call for each */
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
		return TM_ALLOW;
	if (is_listener) {
		tm_add_packets(&socket->listening, rx, packets, bytes);
		if (socket->kind != TM_SOCKET_USER)
			tm_transfer_counts(socket, 0, 0);
		return TM_ALLOW;
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
	return TM_ALLOW;
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
		bpf_get_socket_cookie(sk); /* from here on it has one */
	return TM_ALLOW;
}

static __always_inline void tm_delete_last_user(struct tm_socket *socket, struct bpf_sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);

	tm_apply_last_user(socket, cookie);
	bpf_map_delete_elem(&last_users, &cookie);
}

/*
 * One that was accepted and is closed at once carries its first packet, the FIN, after this: the last
 * packet of the handshake was its listener's.
 */
static __always_inline bool tm_is_connected(struct bpf_sock *sk)
{
	if (sk->type != SOCK_STREAM ||
	    (sk->protocol != IPPROTO_TCP && sk->protocol != IPPROTO_MPTCP))
		return false;
	return sk->state != BPF_TCP_CLOSE && sk->state != BPF_TCP_LISTEN;
}

/*
 * The last process has closed it. TCP may still send what is left, and the other end answers: then
 * each packet's program moves what it counted by itself. Whichever of the two comes later sees what
 * the other did: `released` is set before moving, and read behind counting.
 */
SEC("cgroup/sock_release")
int tm_sock_release(struct bpf_sock *sk)
{
	struct tm_socket *socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	bool was_released;

	if (!socket)
		return TM_ALLOW;
	if (tm_use_last_users)
		tm_delete_last_user(socket, sk);
	tm_add_missed_bytes(socket, sk);
	if (socket->kind != TM_SOCKET_USER) { /* see tm_follow_mptcp(): no packet has told yet */
		socket->kind = TM_SOCKET_USER;
		socket->released = 0;
	}
	was_released = socket->released; /* it had ended before it was accepted: sockops.bpf.c */
	socket->released = 1;
	tm_transfer_counts(socket, 0, 0);
	if (!was_released && (socket->has_traffic || tm_is_connected(sk)))
		tm_count_connection(socket);
	return TM_ALLOW;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
