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

#include "describe.bpf.h"
#include "elsewhere.bpf.h"
#include "ip_size.bpf.h"
#include "kernel.bpf.h"
#include "makeup.bpf.h"
#include "move.bpf.h"
#include "owner.bpf.h"
#include "storage.bpf.h"
#include "tcp.bpf.h"

#define TM_ALLOW 1

const volatile __u32 tm_ask_callers; /* 1: the app layer tells hand-overs in `callers` */

/* A socket that was there before attach, or is the kernel's own: of what is known of it. */
static __noinline struct tm_socket *tm_adopt(struct __sk_buff *skb)
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
	if (tm_is_kernels(sk, skb))
		tm_be_kernel(&owner);
	made = tm_make_storage(sk, tm_own(&owner), 0);
	if (!made)
		return NULL;
	made->older = 1;
	if (sk->protocol == IPPROTO_TCP && sk->state != BPF_TCP_LISTEN)
		made->tcp_read_bytes = tm_tcp_taken_before(sk);
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

static __always_inline void tm_begin(struct tm_socket *socket)
{
	socket->begun = 1;
	if (socket->older && socket->role != TM_ROLE_PASSIVE)
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

/*
 * Another process has used the socket. Until one does, what a listener's child has counted is
 * nobody's: then all of it is that one's. (As tm_take_over() in app.bpf.c.)
 */
static __noinline int tm_ask_caller(struct tm_socket *socket, __u64 cookie)
{
	struct tm_caller *caller = bpf_map_lookup_elem(&callers, &cookie);

	if (!caller)
		return 0;
	if (caller->owner_id != socket->owner_id) {
		if (!socket->used && (socket->role == TM_ROLE_PASSIVE || !socket->pid)) {
			socket->owner_id = caller->owner_id;
			socket->pid = caller->pid;
		} else {
			tm_move(socket, caller->owner_id, caller->pid);
		}
	}
	socket->used = 1;
	return 0;
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
		socket = tm_adopt(skb);
	tm_add_to_layer(rx, packets, bytes, socket);
	if (!socket)
		return TM_ALLOW;
	if (is_listener) {
		tm_add_packets(&socket->listening, rx, packets, bytes);
		return TM_ALLOW;
	}
	owner_id = socket->owner_id;
	if (!socket->begun) {
		tm_begin(socket);
		owner_id = 0;
	}
	if (tm_ask_callers)
		tm_ask_caller(socket, bpf_get_socket_cookie(skb));
	if (socket->elsewhere && socket->owner_id != owner_id)
		tm_note_packet(skb, socket->owner_id, rx);
	tm_add_packets(&socket->own, rx, packets, bytes);
	if (socket->released)
		tm_move(socket, 0, 0);
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
	__u64 owner_id = tm_own_current(&owner);
	struct tm_socket *made = tm_make_storage(sk, owner_id, owner.pid);

	if (made) {
		made->opened_ns = bpf_ktime_get_ns();
		made->elsewhere = tm_netns_cookie && bpf_get_netns_cookie(sk) != tm_netns_cookie;
	}
	if (tm_ask_callers)
		bpf_get_socket_cookie(sk); /* from here on it has one */
	return TM_ALLOW;
}

static __always_inline void tm_forget_caller(struct tm_socket *socket, struct bpf_sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);

	tm_ask_caller(socket, cookie);
	bpf_map_delete_elem(&callers, &cookie);
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
	struct tm_owner *owner;
	__u64 id;

	if (!socket)
		return TM_ALLOW;
	if (tm_ask_callers)
		tm_forget_caller(socket, sk);
	tm_make_up(socket, sk);
	socket->released = 1;
	tm_move(socket, 0, 0);
	id = socket->owner_id;
	owner = bpf_map_lookup_elem(&owners, &id);
	if (owner && socket->begun)
		tm_atomic_add(&owner->connections, 1);
	return TM_ALLOW;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
