/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The service that a flow belongs to: its port is chosen once, from its first packet.
 */
#ifndef TM_COUNT_SERVICE_PORT_BPF_H
#define TM_COUNT_SERVICE_PORT_BPF_H

#include "common/headers.bpf.h"
#include "common/maps.bpf.h"
#include "parse/packet.bpf.h"

#define TM_FIRST_USER_PORT 1024
#define TM_FIRST_EPHEMERAL_PORT 32768 /* Linux's default; others begin higher */

/*
 * tm_service_port - which of a flow's two ports names the service; from its first packet.
 * The handshake decides; else the well-known port, the port below the ephemeral range, the one that was
 * addressed first (UDP) or is lower (TCP).
 */
static __always_inline __u16 tm_service_port(const struct tm_packet *p, bool rx)
{
	__u16 local = bpf_ntohs(p->key.local_port_be), remote = bpf_ntohs(p->key.remote_port_be);
	__u16 source = rx ? remote : local, destination = rx ? local : remote;
	__u16 lower = source < destination ? source : destination;
	__u16 higher = source < destination ? destination : source;

	if (p->key.protocol == IPPROTO_TCP && p->tcp_flags & TM_TCP_SYN)
		return p->tcp_flags & TM_TCP_ACK ? source : destination;
	if (lower < TM_FIRST_USER_PORT && higher >= TM_FIRST_USER_PORT)
		return lower;
	if (lower < TM_FIRST_EPHEMERAL_PORT && higher >= TM_FIRST_EPHEMERAL_PORT)
		return lower;
	return p->key.protocol == IPPROTO_TCP ? lower : destination;
}

/* The service of a flow: all but its number is in the flow's key. */
static __always_inline struct tm_service_key tm_service_of(const struct tm_flow_key *key,
							   __u16 number)
{
	struct tm_service_key service = {
		.row = tm_row,
		.number = number,
		.kind = key->flags & TM_FLOW_PORTS ? TM_SERVICE_PORT : TM_SERVICE_PROTOCOL,
		.ip_version = key->flags & TM_FLOW_IPV6 ? 6 : 4,
		.protocol = key->protocol,
	};

	return service;
}

#endif /* TM_COUNT_SERVICE_PORT_BPF_H */
