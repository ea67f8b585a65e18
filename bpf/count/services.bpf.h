/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The division of an interface's packets by service, with a cache per CPU in front of the shared table.
 *
 * XDP and tc run with bottom halves off, so on one CPU none of our programs interrupts another:
 * what a CPU alone writes takes plain adds. What CPUs share takes atomic ones.
 */
#ifndef TM_COUNT_SERVICES_BPF_H
#define TM_COUNT_SERVICES_BPF_H

#include "common/atomic.bpf.h"
#include "common/flow_hash.bpf.h"
#include "common/maps.bpf.h"
#include "parse/packet.bpf.h"

#define TM_LIVES 8 /* misses until a resident without hits loses its slot */

/*
 * A key as one number, made in a register: written byte by byte and then read as a word, the load would
 * wait for all the stores.
 */
static __always_inline __u64 tm_service_word(struct tm_service_key key)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the order of the members in "
								  "memory");
	return (__u64)key.protocol << 48 | (__u64)key.ip_version << 40 | (__u64)key.kind << 32 |
	       (__u32)key.number << 16 | key.row;
}

/* Add to the shared table, to an entry that is made if it does not exist. */
static __noinline int tm_add_to_service(struct tm_service_key *key, struct tm_service *delta)
{
	struct tm_service *total = bpf_map_lookup_elem(&services, key);
	struct tm_ledger *losses;

	if (!total) {
		if (!bpf_map_update_elem(&services, key, delta, BPF_NOEXIST))
			return 0;
		total = bpf_map_lookup_elem(&services, key); /* another CPU was faster */
	}
	if (total) {
		if (delta->rx_packets) {
			tm_atomic_add(&total->rx_packets, delta->rx_packets);
			tm_atomic_add(&total->rx_bytes, delta->rx_bytes);
		}
		if (delta->tx_packets) {
			tm_atomic_add(&total->tx_packets, delta->tx_packets);
			tm_atomic_add(&total->tx_bytes, delta->tx_bytes);
		}
		if (delta->flows)
			tm_atomic_add(&total->flows, delta->flows);
		return 0;
	}
	losses = tm_ledger_here();
	if (losses) {
		losses->service_insert_failures += delta->rx_packets + delta->tx_packets;
		losses->service_insert_failure_bytes += delta->rx_bytes + delta->tx_bytes;
	}
	return 0;
}

/* Add what a slot has counted to the table. */
static __always_inline void tm_write_service_back(struct tm_service_slot *slot)
{
	struct tm_service counted = {
		.rx_packets = slot->rx_packets,
		.rx_bytes = slot->rx_bytes,
		.tx_packets = slot->tx_packets,
		.tx_bytes = slot->tx_bytes,
	};

	if (slot->key.kind)
		tm_add_to_service(&slot->key, &counted);
}

/* The slot belongs to another service: count in the table, or after enough such misses take the slot. */
static __noinline int tm_service_miss(struct tm_service_slot *slot, __u64 word, bool rx,
				      __u64 packets, __u64 bytes)
{
	struct tm_service_key key;
	struct tm_service delta = {
		.rx_packets = rx ? packets : 0,
		.rx_bytes = rx ? bytes : 0,
		.tx_packets = rx ? 0 : packets,
		.tx_bytes = rx ? 0 : bytes,
	};

	*(__u64 *)&key = word;
	if (slot->key.kind && slot->lives) {
		slot->lives--;
		return tm_add_to_service(&key, &delta);
	}
	slot->sequence++;
	tm_write_service_back(slot);
	slot->key = key;
	slot->lives = TM_LIVES;
	slot->rx_packets = delta.rx_packets;
	slot->rx_bytes = delta.rx_bytes;
	slot->tx_packets = delta.tx_packets;
	slot->tx_bytes = delta.tx_bytes;
	slot->sequence++;
	return 0;
}

static __always_inline void tm_count_service(const struct tm_packet *p, struct tm_service_key key,
					     bool rx, __u32 cpu)
{
	__u64 word = tm_service_word(key);
	__u32 index = cpu * tm_service_slots + (tm_mix(word ^ tm_seed) & (tm_service_slots - 1));
	struct tm_service_slot *slot = bpf_map_lookup_elem(&service_cache, &index);

	if (tm_unlikely(!slot))
		return;
	if (tm_likely(*(__u64 *)&slot->key == word)) {
		slot->lives = TM_LIVES;
		if (rx) {
			slot->rx_packets += p->wire_packets;
			slot->rx_bytes += p->wire_bytes;
		} else {
			slot->tx_packets += p->wire_packets;
			slot->tx_bytes += p->wire_bytes;
		}
		return;
	}
	tm_service_miss(slot, word, rx, p->wire_packets, p->wire_bytes);
}

#endif /* TM_COUNT_SERVICES_BPF_H */
