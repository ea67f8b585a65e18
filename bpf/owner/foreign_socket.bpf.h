/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A socket of another network namespace that has changed hands: see owner/foreign_netns.bpf.h.
 */
#ifndef TM_OWNER_FOREIGN_SOCKET_BPF_H
#define TM_OWNER_FOREIGN_SOCKET_BPF_H

#include "common/mapped.bpf.h"
#include "common/owner_maps.bpf.h"

/* tm_record_foreign_socket - that these addresses and ports are @owner_id's from now on; of connected sockets. */
static __noinline int tm_record_foreign_socket(struct sock *sk, __u64 owner_id)
{
	struct sock_common *common = &sk->__sk_common;
	struct tm_flow_key key = { .protocol = sk->sk_protocol };
	__u32 *local = (__u32 *)key.local_addr, *remote = (__u32 *)key.remote_addr;

	key.local_port_be = bpf_htons(common->skc_num);
	key.remote_port_be = common->skc_dport;
	if (!key.remote_port_be)
		return 0;
	key.flags = TM_FLOW_IPV4 | TM_FLOW_PORTS;
	if (common->skc_family == AF_INET6) {
		bpf_probe_read_kernel(local, 16, &common->skc_v6_rcv_saddr);
		bpf_probe_read_kernel(remote, 16, &common->skc_v6_daddr);
		if (tm_is_mapped(remote)) {
			local[0] = local[3];
			remote[0] = remote[3];
			local[2] = local[3] = remote[2] = remote[3] = 0;
		} else {
			key.flags = TM_FLOW_IPV6 | TM_FLOW_PORTS;
		}
	} else {
		local[0] = common->skc_rcv_saddr;
		remote[0] = common->skc_daddr;
	}
	bpf_map_update_elem(&foreign_owners, &key, &owner_id, BPF_ANY);
	return 0;
}

#endif /* TM_OWNER_FOREIGN_SOCKET_BPF_H */
