/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The transport header, as far as it names a flow: ports, and of TCP flags and length.
 */
#ifndef TM_PARSE_TRANSPORT_BPF_H
#define TM_PARSE_TRANSPORT_BPF_H

#include "common/flow_key.bpf.h"
#include "parse/packet.bpf.h"

static __always_inline bool tm_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP;
}

static __always_inline void tm_set_ports(struct tm_packet *p, enum tm_hook hook, __u16 source_be,
					 __u16 destination_be)
{
	tm_set_key_ports(&p->key, tm_is_rx(hook), source_be, destination_be);
	p->kind = TM_SERVICE_PORT;
}

/* Offset where the packet ends; @stated is 0 where its header does not say (TSO, jumbograms). */
static __always_inline __u32 tm_network_end(const struct tm_frame *frame, __u32 begin, __u32 stated)
{
	return stated && begin + stated < frame->length ? begin + stated : frame->length;
}

/* Ports and TCP flags, of a packet that carries its transport header at @offset and ends at @end. */
static __always_inline void tm_parse_transport(const struct tm_frame *frame, struct tm_packet *p,
					       enum tm_hook hook, __u32 offset, __u32 end)
{
	__be16 ports[2];
	__u8 tcp[2]; /* length, flags */

	p->transport_offset = offset;
	p->network_end = end;
	if (!tm_has_ports(p->key.protocol) || offset + sizeof(ports) > end ||
	    tm_read(frame, offset, ports, sizeof(ports)))
		return;
	tm_set_ports(p, hook, ports[0], ports[1]);
	if (p->key.protocol != IPPROTO_TCP || offset + TM_TCP_FLAGS_END > end ||
	    tm_read(frame, offset + TM_TCP_LENGTH_AT, tcp, sizeof(tcp)))
		return;
	p->tcp_header_bytes = tm_tcp_header_bytes(tcp[0]);
	p->tcp_flags = tcp[1];
}

#endif /* TM_PARSE_TRANSPORT_BPF_H */
