# SPDX-License-Identifier: MIT
"""The records of bpf/wire.h as numpy dtypes, and its constants."""

from __future__ import annotations

from enum import IntEnum

from trafficmon.libbpf.structs import constant, dtype_of

FLOW_KEY = dtype_of("tm_flow_key")
FLOW = dtype_of("tm_flow")
FLOW_SLOT = dtype_of("tm_flow_slot")
FLOW_SET = dtype_of("tm_flow_set")
SERVICE_KEY = dtype_of("tm_service_key")
SERVICE = dtype_of("tm_service")
SERVICE_SLOT = dtype_of("tm_service_slot")
HOOK_COUNTERS = dtype_of("tm_hook_counters")
LEDGER = dtype_of("tm_ledger")
CPU_STATE = dtype_of("tm_cpu_state")
INTERFACE = dtype_of("tm_interface")
META = dtype_of("tm_meta")
CLOCK = dtype_of("tm_clock")
OWNER = dtype_of("tm_owner")
SOCKET_COUNTS = dtype_of("tm_socket_counts")
SOCKET_ROW = dtype_of("tm_socket_row")
LAYER_COUNTERS = dtype_of("tm_layer_counters")
PROCESS = dtype_of("tm_process")
CGROUP_PATH = dtype_of("tm_cgroup_path")
DROP_KEY = dtype_of("tm_drop_key")
DROP = dtype_of("tm_drop")

MAGIC = constant("TM_MAGIC")
LAYOUT_VERSION = constant("TM_LAYOUT_VERSION")
HOOKS = constant("TM_HOOKS")
LAYERS = constant("TM_LAYERS")

SIZE_BOUNDS = (64, 128, 256, 512, 1024, 1518, 9000)
"""Upper bounds of packets_by_size, bytes; the last bucket has none."""


class Hook(IntEnum):
    """Where a packet was seen."""

    XDP_RX = constant("TM_HOOK_XDP_RX")
    TC_RX = constant("TM_HOOK_TC_RX")
    TC_TX = constant("TM_HOOK_TC_TX")
    XDP_GENERIC = constant("TM_HOOK_XDP_GENERIC")


class FlowFlag(IntEnum):
    """Of a flow's key."""

    IPV4 = constant("TM_FLOW_IPV4")
    IPV6 = constant("TM_FLOW_IPV6")
    PORTS = constant("TM_FLOW_PORTS")


class ServiceKind(IntEnum):
    """What a packet is counted under, besides its flow."""

    PORT = constant("TM_SERVICE_PORT")
    PROTOCOL = constant("TM_SERVICE_PROTOCOL")
    ETHERTYPE = constant("TM_SERVICE_ETHERTYPE")
    BROKEN = constant("TM_SERVICE_BROKEN")


class Layer(IntEnum):
    """A row of `layers`."""

    CGROUP_RX = constant("TM_LAYER_CGROUP_RX")
    CGROUP_TX = constant("TM_LAYER_CGROUP_TX")


class Role(IntEnum):
    """Of a TCP connection's socket."""

    UNKNOWN = constant("TM_ROLE_UNKNOWN")
    ACTIVE = constant("TM_ROLE_ACTIVE")
    PASSIVE = constant("TM_ROLE_PASSIVE")


KERNEL_STARTED_NS = constant("TM_KERNEL_STARTED_NS")
"""started_ns of the owner that is the kernel itself."""


class Mode(IntEnum):
    """How a layer is attached to an interface."""

    OFF = constant("TM_ATTACH_OFF")
    XDP_NATIVE = constant("TM_ATTACH_XDP_NATIVE")
    XDP_GENERIC = constant("TM_ATTACH_XDP_GENERIC")
    XDP_OFFLOAD = constant("TM_ATTACH_XDP_OFFLOAD")
    TCX = constant("TM_ATTACH_TCX")
    CLSACT = constant("TM_ATTACH_CLSACT")


class State(IntEnum):
    """Of an interface's slot."""

    FREE = constant("TM_INTERFACE_FREE")
    ATTACHING = constant("TM_INTERFACE_ATTACHING")
    ATTACHED = constant("TM_INTERFACE_ATTACHED")
    DETACHED = constant("TM_INTERFACE_DETACHED")
