# SPDX-License-Identifier: MIT
"""Opening the pinned maps: the one place where it is found that one is missing, or another's."""

from __future__ import annotations

import errno

import numpy as np

from trafficmon import layout
from trafficmon.errors import BpfError, DamagedError
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.structs import dtype_of
from trafficmon.pins import PinDirectory
from trafficmon.uapi import MapType

_U32, _U64 = np.dtype("u4"), np.dtype("u8")
_RINGS = ("events", "dns_messages")
_SIZES = {
    "flows": (layout.FLOW_KEY, layout.FLOW),
    "flow_cache": (_U32, layout.FLOW_SET),
    "services": (layout.SERVICE_KEY, layout.SERVICE),
    "service_cache": (_U32, layout.SERVICE_SLOT),
    "hook_counters": (_U32, layout.HOOK_COUNTERS),
    "ledger": (_U32, layout.LEDGER),
    "fragments": (dtype_of("tm_fragment_key"), dtype_of("tm_fragment")),
    "sockets": (_U32, dtype_of("tm_socket")),
    "owners": (_U64, layout.OWNER),
    "socket_locks": (_U64, np.dtype("u1")),
    "processes": (_U64, layout.PROCESS),
    "cgroup_paths": (_U64, layout.CGROUP_PATH),
    "zeroes": (_U32, layout.CGROUP_PATH),
    "foreign_owners": (layout.FLOW_KEY, _U64),
    "last_users": (_U64, dtype_of("tm_last_user")),
    "inflight_calls": (_U64, dtype_of("tm_inflight_call")),
    "layers": (_U32, layout.LAYER_COUNTERS),
    "drops": (layout.DROP_KEY, layout.DROP),
    "drop_places": (_U64, dtype_of("tm_place")),
    "event_counts": (_U32, layout.EVENT_COUNTS),
    "log_counts": (_U32, layout.EVENT_COUNTS),
    "event_control": (_U32, layout.EVENT_CONTROL),
    "interfaces": (_U32, layout.INTERFACE),
    "interface_names": (_U32, layout.INTERFACE_NAME),
}
"""Of keys and values. meta is not among them: its own first members say what it is."""


def open_map(pins: PinDirectory, name: str, *, read_only: bool = False) -> Map:
    """The map ``name`` of an attachment.

    DamagedError where its pin is missing or is another object's; MissingPrivilegeError where it is
    not ours to open.
    """
    path = pins.map(name)
    try:
        opened = Map.from_pin(str(path), read_only=read_only)
    except BpfError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL):
            raise
        missing = error.errno != errno.EINVAL
        raise DamagedError(path, "is missing" if missing else "is no map") from error
    try:
        _require_its_sizes(opened, pins, name)
    except BaseException:
        opened.close()
        raise
    return opened


def _require_its_sizes(opened: Map, pins: PinDirectory, name: str) -> None:
    facts = opened.facts()
    if name in _SIZES:
        expected = tuple(dtype.itemsize for dtype in _SIZES[name])
        if (facts.key_bytes, facts.value_bytes) != expected:
            raise DamagedError(pins.map(name), "is another program's map")
    elif name in _RINGS and facts.type != MapType.RINGBUF:
        raise DamagedError(pins.map(name), "is another program's map")
