/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The owner of a forwarded packet: of a socket in another network namespace (foreign_netns.bpf.h).
 *
 * Where addresses are translated (NAT, the default of containers) the packet has others by now than its
 * socket. The packet points to its conntrack entry, which holds the original ones.
 */
#ifndef TM_OWNER_FORWARDED_BPF_H
#define TM_OWNER_FORWARDED_BPF_H

#include "common/flow_key.bpf.h"
#include "common/kernel_memory.bpf.h"
#include "common/owner_maps.bpf.h"

/* skb->_nfct: a struct nf_conn, and in the lowest bits an enum ip_conntrack_info */
#define TM_NFCT_INFO 7UL
#define TM_IP_CT_IS_REPLY 3

/* The ends that the packet had before translation. @key stays as it is where these are not known. */
static __always_inline void tm_undo_nat(struct __sk_buff *context, struct tm_flow_key *key)
{
	const struct sk_buff *skb = (const void *)context;
	const struct nf_conntrack_tuple *tuple;
	const struct nf_conn *connection;
	unsigned long tagged = 0;

	/* no conntrack, or its module was not loaded when this was: see docs, known limits */
	if (!bpf_core_field_exists(skb->_nfct) || !bpf_core_type_exists(struct nf_conn))
		return;
	bpf_core_read(&tagged, sizeof(tagged), &skb->_nfct);
	connection = (const void *)(tagged & ~TM_NFCT_INFO);
	if (!connection)
		return;
	tuple = (tagged & TM_NFCT_INFO) >= TM_IP_CT_IS_REPLY ? &connection->tuplehash[1].tuple
							     : &connection->tuplehash[0].tuple;
	tm_key_from_conntrack(tuple, key);
}

/*
 * tm_foreign_owner - owner_id of the socket in another namespace whose local end is that of @from; of
 * datagrams also of one that is not connected. Changes @from.
 */
static __always_inline __u64 tm_foreign_owner(struct tm_flow_key *from)
{
	__u64 *owner_id;

	from->interface_id = 0;
	owner_id = bpf_map_lookup_elem(&foreign_owners, from);
	if (!owner_id && from->protocol == IPPROTO_UDP) {
		__builtin_memset(from->remote_addr, 0, sizeof(from->remote_addr));
		from->remote_port_be = 0;
		owner_id = bpf_map_lookup_elem(&foreign_owners, from);
	}
	return owner_id ? *owner_id : 0;
}

/* tm_forwarded_owner - owner_id of the socket that sent what is forwarded here, or 0. */
static __noinline __u64 tm_forwarded_owner(struct __sk_buff *skb, const struct tm_flow_key *key)
{
	struct tm_flow_key from = *key;

	if (tm_read_kernel)
		tm_undo_nat(skb, &from);
	return tm_foreign_owner(&from);
}

#endif /* TM_OWNER_FORWARDED_BPF_H */
