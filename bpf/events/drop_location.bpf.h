/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Where in the kernel a packet was dropped, as a number whose function's name is recorded.
 */
#ifndef TM_EVENTS_DROP_LOCATION_BPF_H
#define TM_EVENTS_DROP_LOCATION_BPF_H

#include "common/owner_maps.bpf.h"

const volatile __u32 tm_has_snprintf;  /* 1: bpf_snprintf() is there (5.13, 7b15523a989b) */
const volatile __u64 tm_location_seed; /* odd, random */

/* A number that distinguishes addresses and does not reveal them. */
static __always_inline __u64 tm_hash_location(__u64 address)
{
	__u64 mixed = address;
	int round;

	for (round = 0; round < 3; round++) {
		mixed = (mixed ^ (tm_location_seed >> round)) * tm_location_seed;
		mixed ^= mixed >> 29;
		mixed *= 0x9E3779B97F4A7C15;
		mixed ^= mixed >> 32;
	}
	return mixed >> 1 ? mixed >> 1 : 1;
}

/*
 * tm_place - the number of an address, whose function's name is recorded. Not the address itself: it would
 * reveal to readers without root where the kernel is in memory, and they could not look up its name.
 */
static __noinline __u64 tm_place(__u64 address)
{
	struct tm_place place = {};
	__u64 number;

	if (!tm_has_snprintf)
		return address;
	number = tm_hash_location(address);
	if (!bpf_map_lookup_elem(&drop_places, &number)) {
		BPF_SNPRINTF((char *)place.name, sizeof(place.name), "%ps", address);
		bpf_map_update_elem(&drop_places, &number, &place, BPF_ANY);
	}
	return number;
}

#endif /* TM_EVENTS_DROP_LOCATION_BPF_H */
