/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * IPv6, with extension headers and fragments. A broken header is a kind of its own, never a guess.
 */
#ifndef TM_PARSE_IPV6_BPF_H
#define TM_PARSE_IPV6_BPF_H

#include "parse/fragments.bpf.h"
#include "parse/transport.bpf.h"

#define TM_MAX_EXTENSION_HEADERS 8
#define TM_IPV6_MORE_FRAGMENTS 0x0001
#define TM_IPV6_FRAGMENT_OFFSET 0xfff8

struct tm_extension_header {
	__u8 next_header;
	__u8 length;
	__be16 fragment_offset; /* of a fragment header: offset in bytes, and flags */
	__be32 fragment_id;
};

static __always_inline bool tm_is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_AH || next == IPPROTO_DSTOPTS;
}

/* Where the walk over extension headers ended. */
struct tm_extensions {
	__u16 end;	/* offset after them; 0: one of them exceeds the packet */
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
 * tm_skip_extensions - find the header after IPv6 extension headers.
 * @next: kind of the header at @offset. The walk ends at a later fragment, where payload follows.
 * Returns struct tm_extensions, packed. A global function, which the verifier checks once.
 */
__noinline __u64 tm_skip_extensions(TM_CONTEXT *context, __u32 next, __u32 offset, __u32 end)
{
	struct tm_frame frame = tm_open_frame(context);
	struct tm_extensions found = { .protocol = next };
	struct tm_extension_header header;
	__u32 bytes;
	int i;

	for (i = 0; i < TM_MAX_EXTENSION_HEADERS && tm_is_extension(found.protocol); i++) {
		if (offset + sizeof(header) > end ||
		    tm_read(&frame, offset, &header, sizeof(header)))
			return 0;
		bytes = tm_extension_bytes(found.protocol, header.length);
		if (offset + bytes > end)
			return 0;
		next = found.protocol;
		found.protocol = header.next_header;
		if (next == IPPROTO_FRAGMENT &&
		    header.fragment_offset &
			    bpf_htons(TM_IPV6_FRAGMENT_OFFSET | TM_IPV6_MORE_FRAGMENTS)) {
			found.fragment = offset;
			if (header.fragment_offset & bpf_htons(TM_IPV6_FRAGMENT_OFFSET)) {
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
	place.begin = word & TM_IPV6_FRAGMENT_OFFSET;
	place.end = place.begin + bytes;
	place.more = word & TM_IPV6_MORE_FRAGMENTS;
	tm_parse_fragment(p, hook, &place);
}

static __always_inline void tm_parse_ipv6(const struct tm_frame *frame, struct tm_packet *p,
					  enum tm_hook hook, __u32 network)
{
	struct tm_extensions extensions = { .end = network + sizeof(struct tm_ipv6_header) };
	struct tm_extension_header header = {};
	struct tm_ipv6_header ip;
	__u32 end;

	p->kind = TM_SERVICE_BROKEN;
	p->ethertype = ETH_P_IPV6;
	if (tm_read(frame, network, &ip, sizeof(ip)) || bpf_ntohl(ip.version_class_flow) >> 28 != 6)
		return;
	end = tm_network_end(frame, network + sizeof(ip), bpf_ntohs(ip.payload_length));
	extensions.protocol = ip.next_header;
	if (tm_is_extension(ip.next_header))
		extensions = tm_unpack_extensions(
			tm_skip_extensions(frame->context, ip.next_header, extensions.end, end));
	if (!extensions.end)
		return;
	p->kind = TM_SERVICE_PROTOCOL;
	p->key.flags = TM_FLOW_IPV6;
	p->key.protocol = extensions.protocol;
	tm_set_key_addresses(&p->key, tm_is_rx(hook), ip.source, ip.destination, 16);
	if (extensions.fragment)
		tm_read(frame, extensions.fragment, &header, sizeof(header));
	if (!(header.fragment_offset & bpf_htons(TM_IPV6_FRAGMENT_OFFSET)))
		tm_parse_transport(frame, p, hook, extensions.end, end);
	if (extensions.fragment)
		tm_parse_ipv6_fragment(p, hook, &ip, &header,
				       end - (extensions.fragment + sizeof(header)));
}

#endif /* TM_PARSE_IPV6_BPF_H */
