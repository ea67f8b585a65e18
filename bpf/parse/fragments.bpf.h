/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Fragments: only the first carries the ports. It leaves them here for the later ones.
 *
 * A later fragment must never be booked on a wrong flow, and identifications are used again after
 * 65,536 datagrams. So the memory ends with the datagram's last fragment, with a fragment that
 * begins before what was already counted (another datagram, or a duplicate), and after two seconds.
 * What remains wrong then, reassembly itself would have put together wrongly.
 */
#ifndef TM_PARSE_FRAGMENTS_BPF_H
#define TM_PARSE_FRAGMENTS_BPF_H

#include "common/maps.bpf.h"
#include "parse/packet.bpf.h"

#define TM_FRAGMENT_SECONDS 2

struct tm_fragment_place {
	struct tm_fragment_key key;
	__u32 begin; /* offset in the datagram, bytes */
	__u32 end;
	bool more; /* the datagram goes on behind this fragment */
};

static __noinline int tm_store_first_fragment(struct tm_fragment_place *place, __u16 source_port_be,
					      __u16 destination_port_be, __u8 protocol)
{
	struct tm_fragment first = {
		.source_port_be = source_port_be,
		.destination_port_be = destination_port_be,
		.end = place->end,
		.seen_jiffies = bpf_jiffies64(),
		.protocol = protocol,
	};
	struct tm_ledger *losses;

	if (bpf_map_update_elem(&fragments, &place->key, &first, BPF_ANY)) {
		losses = tm_ledger_here();
		if (losses)
			losses->fragment_insert_failures++;
	}
	return 0;
}

/*
 * tm_load_first_fragment - ports and protocol of the datagram that a later fragment belongs to.
 * Returns 0 and fills @found, or -1 when its first fragment was not seen.
 */
static __noinline int tm_load_first_fragment(struct tm_fragment_place *place,
					     struct tm_fragment *found)
{
	struct tm_fragment *first = bpf_map_lookup_elem(&fragments, &place->key);
	int known;

	if (!first)
		return -1;
	known = place->begin >= first->end &&
		bpf_jiffies64() - first->seen_jiffies <= TM_FRAGMENT_SECONDS * tm_flush_jiffies;
	*found = *first;
	if (known && place->more)
		first->end = place->end;
	else
		bpf_map_delete_elem(&fragments, &place->key);
	return known ? 0 : -1;
}

#endif /* TM_PARSE_FRAGMENTS_BPF_H */
