/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Events: offered to a reader, in the kernel's order; each one that is lost is counted.
 *
 * Without a reader an event costs one lookup in `event_control`. Each kind has a limit for each second and
 * CPU, so that a flood of one kind does not displace the others for long. The reader polls, and is woken
 * only when much is waiting: a wake-up costs more than the rest of an event.
 */
#ifndef TM_EVENTS_BPF_H
#define TM_EVENTS_BPF_H

#include "common/layers.bpf.h"

#define TM_SECONDS_UNREAD 5 /* after so long without a heartbeat there is no reader */
#define TM_WAKE_BYTES 65536

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/* Apart from events: messages wait here until a command reads them, whether or not events are read. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} dns_messages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_event_counts);
} event_counts SEC(".maps");

/* Of TM_EVENT_WRITTEN. Only user space writes it, which cannot write to the maps of a readers' group. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_event_counts);
} log_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_event_control);
} event_control SEC(".maps");

const volatile __u64 tm_second_jiffies = 250;

static __always_inline struct tm_event_counts *tm_event_counts_here(enum tm_event_kind kind)
{
	__u32 index = kind * tm_cpus + bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&event_counts, &index);
}

/* Whether a reader requests events of this kind and is alive. */
static __always_inline bool tm_has_reader(enum tm_event_kind kind)
{
	__u32 index = 0;
	struct tm_event_control *control = bpf_map_lookup_elem(&event_control, &index);

	if (!control || !(control->kinds & (1U << kind)))
		return false;
	return bpf_jiffies64() - control->alive_jiffies < TM_SECONDS_UNREAD * tm_second_jiffies;
}

/*
 * Whether an event is within the limit of its kind; counts it as offered. A second starts with the first
 * event in it. Programs that interrupt each other here may let one event more through, and count each
 * event once in any case.
 */
static __noinline bool tm_is_within_limit(enum tm_event_kind kind)
{
	__u32 index = 0;
	struct tm_event_control *control = bpf_map_lookup_elem(&event_control, &index);
	struct tm_event_counts *counts = tm_event_counts_here(kind);
	__u64 now = bpf_jiffies64();
	__u32 limit;

	if (!control || !counts || kind >= TM_EVENT_KINDS)
		return false;
	tm_atomic_add(&counts->offered, 1);
	limit = control->limits[kind];
	if (now - counts->second_jiffies >= tm_second_jiffies) {
		counts->second_jiffies = now;
		counts->in_second = 0;
	}
	counts->in_second++;
	if (!limit || counts->in_second <= limit)
		return true;
	tm_atomic_add(&counts->limited, 1);
	return false;
}

/* Whether to make the event: to be called before its members are collected. */
static __always_inline bool tm_is_wanted(enum tm_event_kind kind)
{
	return tm_has_reader(kind) && tm_is_within_limit(kind);
}

/* Only a ring buffer that fills wakes its reader, which polls. */
static __always_inline __u64 tm_wakeup_flags(void *ring)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= TM_WAKE_BYTES ? BPF_RB_FORCE_WAKEUP
									   : BPF_RB_NO_WAKEUP;
}

static __always_inline void tm_count_event(enum tm_event_kind kind, long failed)
{
	struct tm_event_counts *counts = tm_event_counts_here(kind);

	if (counts)
		tm_atomic_add(failed ? &counts->lost : &counts->delivered, 1);
}

/* tm_emit - copy @size bytes at @event into @ring, and count the event as delivered or lost. */
#define tm_emit(ring, event_kind, event, size) \
	tm_count_event((event_kind),           \
		       bpf_ringbuf_output((ring), (event), (size), tm_wakeup_flags((ring))))

static __always_inline struct tm_event tm_event_now(enum tm_event_kind kind, __u8 what,
						    __u64 owner_id)
{
	struct tm_event event = {
		.at_ns = bpf_ktime_get_ns(),
		.owner_id = owner_id,
		.kind = kind,
		.what = what,
	};

	return event;
}

/*
 * @size, which is not 0, limited to @most: in a form that all verifiers take for a range from 1 on
 * (before 6.4 or so they learned nothing from a comparison with 0).
 */
#define tm_at_most(size, most)                                                           \
	({                                                                               \
		__u32 less = (size) - 1;                                                 \
		asm volatile("" : "+r"(less)); /* the bound has to be on what is used */ \
		if (less >= (most))                                                      \
			less = (most) - 1;                                               \
		asm volatile("" : "+r"(less));                                           \
		less + 1;                                                                \
	})

#endif /* TM_EVENTS_BPF_H */
