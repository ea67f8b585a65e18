/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * IPv4, with options and fragments. A broken header is a kind of its own, never a guess.
 */
#ifndef TM_PARSE_IPV4_BPF_H
#define TM_PARSE_IPV4_BPF_H

#include "parse/fragments.bpf.h"
#include "parse/transport.bpf.h"

static __always_inline void tm_parse_ipv4_fragment(struct tm_packet *p, enum tm_hook hook,
						   const struct tm_ipv4_header *ip, __u32 bytes)
{
	__u32 word = bpf_ntohs(ip->fragment);
	struct tm_fragment_place place = {};

	__builtin_memcpy(place.key.source_addr, &ip->source, 4);
	__builtin_memcpy(place.key.destination_addr, &ip->destination, 4);
	place.key.identification_be = ip->identification;
	place.key.protocol = ip->protocol;
	place.begin = (word & TM_IPV4_FRAGMENT_OFFSET) * 8;
	place.end = place.begin + bytes;
	place.more = word & TM_IPV4_MORE_FRAGMENTS;
	tm_parse_fragment(p, hook, &place);
}

static __always_inline void tm_parse_ipv4(const struct tm_frame *frame, struct tm_packet *p,
					  enum tm_hook hook, __u32 network)
{
	struct tm_ipv4_header ip;
	__u32 transport, end;
	__u16 fragment;

	p->kind = TM_SERVICE_BROKEN;
	p->ethertype = ETH_P_IP;
	if (tm_read(frame, network, &ip, sizeof(ip)))
		return;
	transport = network + tm_ipv4_header_bytes(ip.version_words);
	if (tm_unlikely(ip.version_words >> 4 != 4 || transport < network + sizeof(ip) ||
			transport > frame->length))
		return;
	p->kind = TM_SERVICE_PROTOCOL;
	p->key.flags = TM_FLOW_IPV4;
	p->key.protocol = ip.protocol;
	tm_set_key_addresses(&p->key, tm_is_rx(hook), &ip.source, &ip.destination, 4);
	end = tm_network_end(frame, network, bpf_ntohs(ip.total_length));
	fragment = bpf_ntohs(ip.fragment) & (TM_IPV4_FRAGMENT_OFFSET | TM_IPV4_MORE_FRAGMENTS);
	if (!(fragment & TM_IPV4_FRAGMENT_OFFSET))
		tm_parse_transport(frame, p, hook, transport, end);
	if (tm_unlikely(fragment))
		tm_parse_ipv4_fragment(p, hook, &ip, end > transport ? end - transport : 0);
}

#endif /* TM_PARSE_IPV4_BPF_H */
