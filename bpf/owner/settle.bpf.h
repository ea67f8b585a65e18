/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What sockets have counted, transferred to the rows of their owners.
 *
 * Packets count on their socket: two adds to its own memory, on whatever CPU the process runs. The counts
 * are transferred when another process takes the socket over, when the last one closes it, and with each
 * packet after that; until then readers add them.
 */
#ifndef TM_OWNER_SETTLE_BPF_H
#define TM_OWNER_SETTLE_BPF_H

#include "common/atomic.bpf.h"
#include "common/owner_maps.bpf.h"

#define TM_TRANSFER_ROUNDS 4

static __always_inline void tm_transfer_one(__u64 *counted, __u64 *settled, __u64 *to)
{
	__u64 more = *(volatile __u64 *)counted - *settled;

	if (!more)
		return;
	tm_atomic_add(to, more);
	*settled += more;
}

static __always_inline void tm_transfer_each(struct tm_socket_counts *counted,
					     struct tm_socket_counts *settled,
					     struct tm_owner *owner)
{
	tm_transfer_one(&counted->rx_packets, &settled->rx_packets, &owner->rx_packets);
	tm_transfer_one(&counted->rx_bytes, &settled->rx_bytes, &owner->rx_bytes);
	tm_transfer_one(&counted->tx_packets, &settled->tx_packets, &owner->tx_packets);
	tm_transfer_one(&counted->tx_bytes, &settled->tx_bytes, &owner->tx_bytes);
	tm_transfer_one(&counted->app_rx_bytes, &settled->app_rx_bytes, &owner->app_rx_bytes);
	tm_transfer_one(&counted->app_tx_bytes, &settled->app_tx_bytes, &owner->app_tx_bytes);
}

/* The bytes are enough: packets are added before them. */
static __always_inline bool tm_is_settled(const struct tm_socket *socket)
{
	const volatile struct tm_socket_counts *own = &socket->own;

	return own->rx_bytes == socket->settled.rx_bytes &&
	       own->tx_bytes == socket->settled.tx_bytes &&
	       own->app_rx_bytes == socket->settled.app_rx_bytes &&
	       own->app_tx_bytes == socket->settled.app_tx_bytes;
}

/*
 * tm_transfer_counts - to the socket's owner; then @next becomes the owner, unless it is 0.
 *
 * A CPU that fails to get the lock returns: the holder rechecks the socket after it has released the lock,
 * and sees what was counted before the attempt. Returns whether this CPU had the lock.
 */
static __noinline int tm_transfer_counts(struct tm_socket *socket, __u64 next, __u32 pid)
{
	__u64 lock = socket->id, id;
	struct tm_owner *owner;
	__u8 mark = 1;
	int round;

	for (round = 0; round < TM_TRANSFER_ROUNDS; round++) {
		if (bpf_map_update_elem(&socket_locks, &lock, &mark, BPF_NOEXIST))
			return round > 0;
		id = socket->owner_id;
		owner = bpf_map_lookup_elem(&owners, &id);
		if (owner) {
			tm_transfer_each(&socket->own, &socket->settled, owner);
			if (!socket->has_traffic &&
			    socket->role == TM_ROLE_UNKNOWN) /* not an accepted socket */
				tm_transfer_each(&socket->listening, &socket->listening_settled,
						 owner);
			if (next) {
				socket->owner_id = next;
				socket->pid = pid;
			}
		}
		bpf_map_delete_elem(&socket_locks, &lock);
		if (next || tm_is_settled(socket))
			return 1;
	}
	return 1;
}

/* A socket was closed that was connected, or has carried a packet. */
static __always_inline void tm_count_connection(struct tm_socket *socket)
{
	__u64 id = socket->owner_id;
	struct tm_owner *owner = bpf_map_lookup_elem(&owners, &id);

	if (owner)
		tm_atomic_add(&owner->connections, 1);
}

#endif /* TM_OWNER_SETTLE_BPF_H */
