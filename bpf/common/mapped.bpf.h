/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef TM_COMMON_MAPPED_BPF_H
#define TM_COMMON_MAPPED_BPF_H

/* Whether the four words of an IPv6 address are an IPv4 one's clothes: RFC 4291, 2.5.5.2. */
#define tm_is_mapped(words) (!(words)[0] && !(words)[1] && (words)[2] == bpf_htonl(0xffff))

#endif /* TM_COMMON_MAPPED_BPF_H */
