/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The records that BPF programs write and user space reads: the only place that lays them out.
 *
 * The BPF programs include it, and trafficmon/libbpf/_builder.py gives it to cffi, from which the numpy
 * dtypes are derived (trafficmon/layout.py). So: fixed-width integers, explicit padding, no kernel types, no
 * bit-fields, constants as enumerators. A change of a record raises TM_LAYOUT_VERSION, as does a change of
 * the names of pinned maps and programs.
 *
 * Times are jiffies: reading them costs nothing, bpf_ktime_get_ns() some 40 ns per packet. meta has the
 * factors to convert them to wall-clock time.
 */
#ifndef TM_WIRE_H
#define TM_WIRE_H

#include "wire/limits.h"
#include "wire/flow.h"
#include "wire/owner.h"
#include "wire/socket.h"
#include "wire/event.h"
#include "wire/capture.h"
#include "wire/log.h"
#include "wire/attach.h"

enum tm_version {
	TM_MAGIC = 0x746d6f6e, /* "tmon": the first member of meta in all versions */
	TM_LAYOUT_VERSION = 8,
};

#endif /* TM_WIRE_H */
