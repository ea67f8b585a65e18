/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Network and transport headers as on the wire. Fields are in network byte order (__be16, __be32).
 */
#ifndef TM_COMMON_HEADERS_BPF_H
#define TM_COMMON_HEADERS_BPF_H

#include "common/program.bpf.h"

#define TM_IPV6_HEADER_BYTES 40
#define TM_UDP_HEADER_BYTES 8
#define TM_UDP_LENGTH_AT 4   /* offset of the datagram's length, header included */
#define TM_TCP_SEQUENCE_AT 4 /* offset of the sequence number of the first byte */
#define TM_TCP_LENGTH_AT 12  /* offset of the byte that holds the header's length; flags follow */
#define TM_TCP_FLAGS_END 14

/* The byte of flags in a TCP header */
#define TM_TCP_FIN 0x01
#define TM_TCP_SYN 0x02
#define TM_TCP_RST 0x04
#define TM_TCP_ACK 0x10

#define TM_IPV4_MORE_FRAGMENTS 0x2000
#define TM_IPV4_FRAGMENT_OFFSET 0x1fff

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

_Static_assert(sizeof(struct tm_ipv6_header) == TM_IPV6_HEADER_BYTES, "RFC 8200, 3");

/* Bytes of an IPv4 header with its options, from the header's first byte. */
#define tm_ipv4_header_bytes(version_words) (((version_words) & 0xf) * 4)

/* Bytes of a TCP header with its options, from the byte at TM_TCP_LENGTH_AT. */
#define tm_tcp_header_bytes(length_words) (((length_words) >> 4) * 4)

#endif /* TM_COMMON_HEADERS_BPF_H */
