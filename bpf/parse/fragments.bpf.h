/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Fragments: only the first one carries the ports. It stores them here for the later ones.
 *
 * A later fragment must never count for a wrong flow, and identifications repeat after 65,536 datagrams.
 * So an entry ends with the datagram's last fragment, with a fragment that starts before the end of
 * those counted (another datagram, or a duplicate), and after two seconds. In the cases that remain
 * the kernel's own reassembly would join the wrong fragments, too.
 */
#ifndef TM_PARSE_FRAGMENTS_BPF_H
#define TM_PARSE_FRAGMENTS_BPF_H

#include "common/maps.bpf.h"
#include "parse/transport.bpf.h"

#define TM_FRAGMENT_SECONDS 2

struct tm_fragment_place {
	struct tm_fragment_key key;
	__u32 begin; /* offset in the datagram, bytes */
	__u32 end;
	bool more; /* fragments of the datagram follow */
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

/* A fragment: the first one stores its ports, a later one takes them. */
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

#endif /* TM_PARSE_FRAGMENTS_BPF_H */
