/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Network and transport headers: IPv4, IPv6 with its extension headers, ports, TCP flags.
 *
 * Each tm_parse_*() fills struct tm_packet; a broken IP header is a kind of its own, never a guess.
 * Fields of these structs are in network byte order as on the wire (__be16, __be32).
 */
#ifndef TM_PARSE_NETWORK_BPF_H
#define TM_PARSE_NETWORK_BPF_H

#include "parse/fragments.bpf.h"
#include "parse/packet.bpf.h"

#define TM_MAX_EXTENSION_HEADERS 8
#define TM_IPV4_MORE 0x2000
#define TM_IPV4_OFFSET 0x1fff
#define TM_IPV6_MORE 0x0001
#define TM_IPV6_OFFSET 0xfff8

struct tm_ipv4_header {
	__u8 version_words; /* version, header length in words of four bytes */
	__u8 tos;
	__be16 total_length;
	__be16 identification;
	__be16 fragment; /* flags, offset in units of eight bytes */
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct tm_ipv6_header {
	__be32 version_class_flow;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u64 source[2];
	__u64 destination[2];
};

struct tm_extension_header {
	__u8 next_header;
	__u8 length;
	__be16 fragment_offset; /* of a fragment header: offset in bytes, and flags */
	__be32 fragment_id;
};

static __always_inline bool tm_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP;
}

static __always_inline bool tm_is_rx(enum tm_hook hook)
{
	return hook != TM_HOOK_TC_TX;
}

static __always_inline void tm_set_ports(struct tm_packet *p, enum tm_hook hook, __u16 source_be,
					 __u16 destination_be)
{
	p->key.local_port_be = tm_is_rx(hook) ? destination_be : source_be;
	p->key.remote_port_be = tm_is_rx(hook) ? source_be : destination_be;
	p->key.flags |= TM_FLOW_PORTS;
	p->kind = TM_SERVICE_PORT;
}

/* End of what a network header calls its own; @stated is 0 where it does not say (TSO, jumbograms). */
static __always_inline __u32 tm_limit(const struct tm_frame *frame, __u32 begin, __u32 stated)
{
	return stated && begin + stated < frame->length ? begin + stated : frame->length;
}

/* Ports and TCP flags, of a packet that carries its transport header at @offset. */
static __always_inline void tm_parse_transport(const struct tm_frame *frame, struct tm_packet *p,
					       enum tm_hook hook, __u32 offset, __u32 limit)
{
	__be16 ports[2];
	__u8 flags[2]; /* data offset, flags */

	p->transport_offset = offset;
	p->network_end = limit;
	if (!tm_has_ports(p->key.protocol) || offset + sizeof(ports) > limit ||
	    tm_read(frame, offset, ports, sizeof(ports)))
		return;
	tm_set_ports(p, hook, ports[0], ports[1]);
	if (p->key.protocol != IPPROTO_TCP || offset + 14 > limit ||
	    tm_read(frame, offset + 12, flags, sizeof(flags)))
		return;
	p->tcp_header_bytes = (flags[0] >> 4) * 4;
	p->tcp_flags = flags[1];
}

/* A fragment: the first leaves its ports, a later one takes them over. */
static __always_inline void tm_parse_fragment(struct tm_packet *p, enum tm_hook hook,
					      struct tm_fragment_place *place)
{
	bool rx = tm_is_rx(hook);
	struct tm_fragment first;

	place->key.interface_id = tm_interface_id;
	place->key.hook = hook;
	if (!place->begin) {
		if (p->key.flags & TM_FLOW_PORTS)
			tm_store_first_fragment(place,
						rx ? p->key.remote_port_be : p->key.local_port_be,
						rx ? p->key.local_port_be : p->key.remote_port_be,
						p->key.protocol);
		return;
	}
	if (tm_load_first_fragment(place, &first))
		return;
	p->key.protocol = first.protocol;
	tm_set_ports(p, hook, first.source_port_be, first.destination_port_be);
}

static __always_inline void tm_parse_ipv4_fragment(struct tm_packet *p, enum tm_hook hook,
						   const struct tm_ipv4_header *ip, __u32 bytes)
{
	__u32 word = bpf_ntohs(ip->fragment);
	struct tm_fragment_place place = {};

	__builtin_memcpy(place.key.source_addr, &ip->source, 4);
	__builtin_memcpy(place.key.destination_addr, &ip->destination, 4);
	place.key.identification_be = ip->identification;
	place.key.protocol = ip->protocol;
	place.begin = (word & TM_IPV4_OFFSET) * 8;
	place.end = place.begin + bytes;
	place.more = word & TM_IPV4_MORE;
	tm_parse_fragment(p, hook, &place);
}

static __always_inline void tm_parse_ipv4(const struct tm_frame *frame, struct tm_packet *p,
					  enum tm_hook hook, __u32 network)
{
	struct tm_ipv4_header ip;
	__u32 transport, limit;
	__u16 fragment;

	p->kind = TM_SERVICE_BROKEN;
	p->ethertype = ETH_P_IP;
	if (tm_read(frame, network, &ip, sizeof(ip)))
		return;
	transport = network + (ip.version_words & 0xf) * 4;
	if (tm_unlikely(ip.version_words >> 4 != 4 || transport < network + sizeof(ip) ||
			transport > frame->length))
		return;
	p->kind = TM_SERVICE_PROTOCOL;
	p->key.flags = TM_FLOW_IPV4;
	p->key.protocol = ip.protocol;
	__builtin_memcpy(p->key.local_addr, tm_is_rx(hook) ? &ip.destination : &ip.source, 4);
	__builtin_memcpy(p->key.remote_addr, tm_is_rx(hook) ? &ip.source : &ip.destination, 4);
	limit = tm_limit(frame, network, bpf_ntohs(ip.total_length));
	fragment = bpf_ntohs(ip.fragment) & (TM_IPV4_OFFSET | TM_IPV4_MORE);
	if (!(fragment & TM_IPV4_OFFSET))
		tm_parse_transport(frame, p, hook, transport, limit);
	if (tm_unlikely(fragment))
		tm_parse_ipv4_fragment(p, hook, &ip, limit > transport ? limit - transport : 0);
}

static __always_inline bool tm_is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_AH || next == IPPROTO_DSTOPTS;
}

/* Where the walk over extension headers ended. */
struct tm_extensions {
	__u16 end;	/* offset behind them; 0: one of them runs past the limit */
	__u16 fragment; /* offset of the fragment header; 0: none */
	__u8 protocol;
};

static __always_inline __u64 tm_pack_extensions(struct tm_extensions e)
{
	return (__u64)e.end << 32 | (__u32)e.fragment << 16 | e.protocol;
}

static __always_inline struct tm_extensions tm_unpack_extensions(__u64 packed)
{
	struct tm_extensions e = {
		.end = packed >> 32,
		.fragment = packed >> 16,
		.protocol = packed,
	};

	return e;
}

static __always_inline __u32 tm_extension_bytes(__u8 kind, __u8 length)
{
	if (kind == IPPROTO_FRAGMENT)
		return sizeof(struct tm_extension_header);
	return kind == IPPROTO_AH ? (length + 2) * 4 : (length + 1) * 8;
}

/*
 * tm_skip_extensions - find what lies behind IPv6 extension headers.
 * @next: kind of the header at @offset. The walk ends at a later fragment: what follows there is
 * the middle of something. Returns struct tm_extensions, packed. Global for the verifier's sake.
 */
__noinline __u64 tm_skip_extensions(TM_CONTEXT *context, __u32 next, __u32 offset, __u32 limit)
{
	struct tm_frame frame = tm_open_frame(context);
	struct tm_extensions found = { .protocol = next };
	struct tm_extension_header header;
	__u32 bytes;
	int i;

	for (i = 0; i < TM_MAX_EXTENSION_HEADERS && tm_is_extension(found.protocol); i++) {
		if (offset + sizeof(header) > limit ||
		    tm_read(&frame, offset, &header, sizeof(header)))
			return 0;
		bytes = tm_extension_bytes(found.protocol, header.length);
		if (offset + bytes > limit)
			return 0;
		next = found.protocol;
		found.protocol = header.next_header;
		if (next == IPPROTO_FRAGMENT &&
		    header.fragment_offset & bpf_htons(TM_IPV6_OFFSET | TM_IPV6_MORE)) {
			found.fragment = offset;
			if (header.fragment_offset & bpf_htons(TM_IPV6_OFFSET)) {
				offset += bytes;
				break;
			}
		}
		offset += bytes;
	}
	found.end = offset;
	return tm_pack_extensions(found);
}

static __always_inline void tm_parse_ipv6_fragment(struct tm_packet *p, enum tm_hook hook,
						   const struct tm_ipv6_header *ip,
						   const struct tm_extension_header *header,
						   __u32 bytes)
{
	__u32 word = bpf_ntohs(header->fragment_offset);
	struct tm_fragment_place place = {};

	__builtin_memcpy(place.key.source_addr, ip->source, 16);
	__builtin_memcpy(place.key.destination_addr, ip->destination, 16);
	place.key.identification_be = header->fragment_id;
	place.begin = word & TM_IPV6_OFFSET;
	place.end = place.begin + bytes;
	place.more = word & TM_IPV6_MORE;
	tm_parse_fragment(p, hook, &place);
}

static __always_inline void tm_parse_ipv6(const struct tm_frame *frame, struct tm_packet *p,
					  enum tm_hook hook, __u32 network)
{
	struct tm_extensions extensions = { .end = network + sizeof(struct tm_ipv6_header) };
	struct tm_extension_header header = {};
	struct tm_ipv6_header ip;
	__u32 limit;

	p->kind = TM_SERVICE_BROKEN;
	p->ethertype = ETH_P_IPV6;
	if (tm_read(frame, network, &ip, sizeof(ip)) || bpf_ntohl(ip.version_class_flow) >> 28 != 6)
		return;
	limit = tm_limit(frame, network + sizeof(ip), bpf_ntohs(ip.payload_length));
	extensions.protocol = ip.next_header;
	if (tm_is_extension(ip.next_header))
		extensions = tm_unpack_extensions(
			tm_skip_extensions(frame->context, ip.next_header, extensions.end, limit));
	if (!extensions.end)
		return;
	p->kind = TM_SERVICE_PROTOCOL;
	p->key.flags = TM_FLOW_IPV6;
	p->key.protocol = extensions.protocol;
	__builtin_memcpy(p->key.local_addr, tm_is_rx(hook) ? ip.destination : ip.source, 16);
	__builtin_memcpy(p->key.remote_addr, tm_is_rx(hook) ? ip.source : ip.destination, 16);
	if (extensions.fragment)
		tm_read(frame, extensions.fragment, &header, sizeof(header));
	if (!(header.fragment_offset & bpf_htons(TM_IPV6_OFFSET)))
		tm_parse_transport(frame, p, hook, extensions.end, limit);
	if (extensions.fragment)
		tm_parse_ipv6_fragment(p, hook, &ip, &header,
				       limit - (extensions.fragment + sizeof(header)));
}

#endif /* TM_PARSE_NETWORK_BPF_H */
