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
INTERFACE = dtype_of("tm_interface")
INTERFACE_NAME = dtype_of("tm_interface_name")
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
PLACE = dtype_of("tm_place")
EVENT = dtype_of("tm_event")
EVENT_COUNTS = dtype_of("tm_event_counts")
EVENT_CONTROL = dtype_of("tm_event_control")
CONN = dtype_of("tm_conn")
PACKET_EVENT = dtype_of("tm_packet_event")
DROP_EVENT = dtype_of("tm_drop_event")
DNS = dtype_of("tm_dns")
SAMPLE = dtype_of("tm_sample")
MATCH = dtype_of("tm_match")
LOG_KEY = dtype_of("tm_log_key")
LOG_VALUE = dtype_of("tm_log_value")
LOG_ROW = dtype_of("tm_log_row")

MAGIC = constant("TM_MAGIC")
LAYOUT_VERSION = constant("TM_LAYOUT_VERSION")
HOOKS = constant("TM_HOOKS")
LAYERS = constant("TM_LAYERS")
EVENT_KINDS = constant("TM_EVENT_KINDS")
DNS_BYTES = constant("TM_DNS_BYTES")
"""Of a DNS message; the rest of a longer one is cut off."""
SAMPLE_BYTES = constant("TM_SAMPLE_BYTES")
MATCH_STEPS = constant("TM_MATCH_STEPS")
LAST_INTERFACE_NUMBER = constant("TM_LAST_INTERFACE_NUMBER")
ROWS_OF_AN_INTERFACE = 2
"""Of hook_counters and services: counted in sums over interfaces, and left out of them."""
HOST_HOOKS = constant("TM_HOST_HOOKS")
"""Room in META for as many hooks of the host; there are fewer."""

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


class SocketKind(IntEnum):
    """Who has opened a socket, and so how its end is noticed."""

    USER = constant("TM_SOCKET_USER")
    KERNEL = constant("TM_SOCKET_KERNEL")
    SUBFLOW = constant("TM_SOCKET_SUBFLOW")


class Role(IntEnum):
    """Of a TCP connection's socket."""

    UNKNOWN = constant("TM_ROLE_UNKNOWN")
    ACTIVE = constant("TM_ROLE_ACTIVE")
    PASSIVE = constant("TM_ROLE_PASSIVE")


class DropFact(IntEnum):
    """Of a packet that the kernel has dropped: bits."""

    NO_DATA = constant("TM_DROP_NO_DATA")
    TIME_WAIT = constant("TM_DROP_TIME_WAIT")


class EventKind(IntEnum):
    """What an event is about: a row of `event_counts`, a bit of `event_control`."""

    CONN = constant("TM_EVENT_CONN")
    FLOW = constant("TM_EVENT_FLOW")
    TCP = constant("TM_EVENT_TCP")
    DROP = constant("TM_EVENT_DROP")
    DNS = constant("TM_EVENT_DNS")
    SAMPLE = constant("TM_EVENT_SAMPLE")
    ROW = constant("TM_EVENT_ROW")
    WRITTEN = constant("TM_EVENT_WRITTEN")


class ConnEvent(IntEnum):
    """What has happened to a connection."""

    OPENED = constant("TM_CONN_OPENED")
    CLOSED = constant("TM_CONN_CLOSED")


class End(IntEnum):
    """Why a connection has ended."""

    UNKNOWN = constant("TM_END_UNKNOWN")
    CLOSED_HERE = constant("TM_END_CLOSED_HERE")
    CLOSED_THERE = constant("TM_END_CLOSED_THERE")
    RESET_HERE = constant("TM_END_RESET_HERE")
    RESET_THERE = constant("TM_END_RESET_THERE")
    TIMED_OUT = constant("TM_END_TIMED_OUT")
    REFUSED = constant("TM_END_REFUSED")
    UNREACHABLE = constant("TM_END_UNREACHABLE")


class MatchKind(IntEnum):
    """A step of a capture's filter."""

    END = constant("TM_MATCH_END")
    AND = constant("TM_MATCH_AND")
    OR = constant("TM_MATCH_OR")
    NOT = constant("TM_MATCH_NOT")
    TRUE = constant("TM_MATCH_TRUE")
    HOST = constant("TM_MATCH_HOST")
    PORT = constant("TM_MATCH_PORT")
    PROTOCOL = constant("TM_MATCH_PROTOCOL")
    FAMILY = constant("TM_MATCH_FAMILY")
    DIRECTION = constant("TM_MATCH_DIRECTION")
    INTERFACE = constant("TM_MATCH_INTERFACE")
    UID = constant("TM_MATCH_UID")
    PID = constant("TM_MATCH_PID")
    CGROUP = constant("TM_MATCH_CGROUP")


class Side(IntEnum):
    """Which of a packet's two ends."""

    LOCAL = constant("TM_SIDE_LOCAL")
    REMOTE = constant("TM_SIDE_REMOTE")


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
