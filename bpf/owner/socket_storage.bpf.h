/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Storage on sockets, and their ids.
 */
#ifndef TM_OWNER_SOCKET_STORAGE_BPF_H
#define TM_OWNER_SOCKET_STORAGE_BPF_H

#include "common/owner_maps.bpf.h"

/* The kernel's eight bytes and then the value (struct bpf_local_storage_data), in lines of 64 bytes. */
#define TM_AT_LINE(member, line) (8 + __builtin_offsetof(struct tm_socket, member) == (line) * 64)

_Static_assert(TM_AT_LINE(srtt_us, 1), "packets write this line");
_Static_assert(TM_AT_LINE(own.app_rx_bytes, 2), "calls write this line");
_Static_assert(TM_AT_LINE(settled, 3), "the transfer of counts writes this line and the next");

/* Unique: a CPU does not reach this twice in one nanosecond. */
static __always_inline __u64 tm_new_socket_id(void)
{
	return (bpf_ktime_get_ns() << 8) ^ bpf_get_smp_processor_id();
}

/* The kernel's own socket of the packet: of struct bpf_sock only few members can be read. */
static __always_inline struct sock *tm_skb_sock(struct __sk_buff *context)
{
	const struct sk_buff *skb = (const void *)context;

	return BPF_CORE_READ(skb, sk);
}

/*
 * tm_make_storage - zeroed but for these members; NULL without memory. Filled in place, as the stack (512
 * bytes for all functions that call each other) has no room for one.
 */
static __always_inline struct tm_socket *tm_make_storage(void *sk, __u64 owner_id, __u32 pid)
{
	struct tm_socket *made =
		bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!made)
		return NULL;
	made->owner_id = owner_id;
	made->pid = pid;
	made->id = tm_new_socket_id();
	return made;
}

#endif /* TM_OWNER_SOCKET_STORAGE_BPF_H */
