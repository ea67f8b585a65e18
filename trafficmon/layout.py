# SPDX-License-Identifier: MIT
"""The records of bpf/wire.h as numpy dtypes, and its enumerators.

Made of that header by tools/wire_layout.py, in `make build`: do not edit.
"""

from __future__ import annotations

from enum import IntEnum

from trafficmon.libbpf.structs import constant, dtype_of

FLOW_KEY = dtype_of("tm_flow_key")
SERVICE_KEY = dtype_of("tm_service_key")
SERVICE = dtype_of("tm_service")
FLOW = dtype_of("tm_flow")
FLOW_SLOT = dtype_of("tm_flow_slot")
FLOW_SET = dtype_of("tm_flow_set")
SERVICE_SLOT = dtype_of("tm_service_slot")
HOOK_COUNTERS = dtype_of("tm_hook_counters")
LEDGER = dtype_of("tm_ledger")
FRAGMENT_KEY = dtype_of("tm_fragment_key")
FRAGMENT = dtype_of("tm_fragment")
OWNER = dtype_of("tm_owner")
PROCESS = dtype_of("tm_process")
CGROUP_PATH = dtype_of("tm_cgroup_path")
LAYER_COUNTERS = dtype_of("tm_layer_counters")
SOCKET_COUNTS = dtype_of("tm_socket_counts")
SOCKET = dtype_of("tm_socket")
LAST_USER = dtype_of("tm_last_user")
INFLIGHT_CALL = dtype_of("tm_inflight_call")
SOCKET_ROW = dtype_of("tm_socket_row")
DROP_KEY = dtype_of("tm_drop_key")
PLACE = dtype_of("tm_place")
DROP = dtype_of("tm_drop")
EVENT_COUNTS = dtype_of("tm_event_counts")
EVENT_CONTROL = dtype_of("tm_event_control")
EVENT = dtype_of("tm_event")
CONN = dtype_of("tm_conn")
PACKET_EVENT = dtype_of("tm_packet_event")
DROP_EVENT = dtype_of("tm_drop_event")
DNS = dtype_of("tm_dns")
SAMPLE = dtype_of("tm_sample")
MATCH = dtype_of("tm_match")
LOG_KEY = dtype_of("tm_log_key")
LOG_VALUE = dtype_of("tm_log_value")
LOG_ROW = dtype_of("tm_log_row")
HOOK_BASE = dtype_of("tm_hook_base")
INTERFACE_BASE = dtype_of("tm_interface_base")
ATTACHED = dtype_of("tm_attached")
HOST_ATTACHED = dtype_of("tm_host_attached")
INTERFACE = dtype_of("tm_interface")
INTERFACE_NAME = dtype_of("tm_interface_name")
META = dtype_of("tm_meta")
CLOCK = dtype_of("tm_clock")

SIZE_BUCKETS = constant("TM_SIZE_BUCKETS")
FLOW_WAYS = constant("TM_FLOW_WAYS")
TCP_FLAGS = constant("TM_TCP_FLAGS")
NAME_BYTES = constant("TM_NAME_BYTES")
REASON_BYTES = constant("TM_REASON_BYTES")
COMM_BYTES = constant("TM_COMM_BYTES")
PATH_BYTES = constant("TM_PATH_BYTES")
PATH_PARTS = constant("TM_PATH_PARTS")
FILE_NAME_BYTES = constant("TM_FILE_NAME_BYTES")
CGROUP_NAME_BYTES = constant("TM_CGROUP_NAME_BYTES")
ARGUMENTS_BYTES = constant("TM_ARGUMENTS_BYTES")
DNS_BYTES = constant("TM_DNS_BYTES")
SAMPLE_BYTES = constant("TM_SAMPLE_BYTES")
PLACE_BYTES = constant("TM_PLACE_BYTES")
MATCH_STEPS = constant("TM_MATCH_STEPS")
PACKET_KINDS = constant("TM_PACKET_KINDS")
LAST_INTERFACE_NUMBER = constant("TM_LAST_INTERFACE_NUMBER")
INTERFACE_HOOKS = constant("TM_INTERFACE_HOOKS")
HOST_HOOKS = constant("TM_HOST_HOOKS")
INTERFACE_ROWS = constant("TM_INTERFACE_ROWS")
NO_GROUP = constant("TM_NO_GROUP")
HOOKS = constant("TM_HOOKS")
KERNEL_STARTED_NS = constant("TM_KERNEL_STARTED_NS")
LAYERS = constant("TM_LAYERS")
EVENT_KINDS = constant("TM_EVENT_KINDS")
MAGIC = constant("TM_MAGIC")
LAYOUT_VERSION = constant("TM_LAYOUT_VERSION")


class SizeBound(IntEnum):
    """enum tm_size_bound."""

    BOUND_0 = constant("TM_SIZE_BOUND_0")
    BOUND_1 = constant("TM_SIZE_BOUND_1")
    BOUND_2 = constant("TM_SIZE_BOUND_2")
    BOUND_3 = constant("TM_SIZE_BOUND_3")
    BOUND_4 = constant("TM_SIZE_BOUND_4")
    BOUND_5 = constant("TM_SIZE_BOUND_5")
    BOUND_6 = constant("TM_SIZE_BOUND_6")


class Hook(IntEnum):
    """enum tm_hook."""

    XDP_RX = constant("TM_HOOK_XDP_RX")
    TC_RX = constant("TM_HOOK_TC_RX")
    TC_TX = constant("TM_HOOK_TC_TX")
    XDP_GENERIC = constant("TM_HOOK_XDP_GENERIC")


class FlowFlag(IntEnum):
    """enum tm_flow_flag."""

    IPV4 = constant("TM_FLOW_IPV4")
    IPV6 = constant("TM_FLOW_IPV6")
    PORTS = constant("TM_FLOW_PORTS")


class ServiceKind(IntEnum):
    """enum tm_service_kind."""

    PORT = constant("TM_SERVICE_PORT")
    PROTOCOL = constant("TM_SERVICE_PROTOCOL")
    ETHERTYPE = constant("TM_SERVICE_ETHERTYPE")
    BROKEN = constant("TM_SERVICE_BROKEN")


class Layer(IntEnum):
    """enum tm_layer."""

    CGROUP_RX = constant("TM_LAYER_CGROUP_RX")
    CGROUP_TX = constant("TM_LAYER_CGROUP_TX")


class Role(IntEnum):
    """enum tm_role."""

    UNKNOWN = constant("TM_ROLE_UNKNOWN")
    ACTIVE = constant("TM_ROLE_ACTIVE")
    PASSIVE = constant("TM_ROLE_PASSIVE")


class WriteSeqFlag(IntEnum):
    """enum tm_write_seq_flag."""

    SEQ_FIRST = constant("TM_WRITE_SEQ_FIRST")
    SEQ_END = constant("TM_WRITE_SEQ_END")
    SEQ_FIN = constant("TM_WRITE_SEQ_FIN")
    SEQ_AT_ATTACH = constant("TM_WRITE_SEQ_AT_ATTACH")


class SocketKind(IntEnum):
    """enum tm_socket_kind."""

    USER = constant("TM_SOCKET_USER")
    KERNEL = constant("TM_SOCKET_KERNEL")
    SUBFLOW = constant("TM_SOCKET_SUBFLOW")


class DropFact(IntEnum):
    """enum tm_drop_fact."""

    NO_DATA = constant("TM_DROP_NO_DATA")
    TIME_WAIT = constant("TM_DROP_TIME_WAIT")


class EventKind(IntEnum):
    """enum tm_event_kind."""

    CONN = constant("TM_EVENT_CONN")
    FLOW = constant("TM_EVENT_FLOW")
    TCP = constant("TM_EVENT_TCP")
    DROP = constant("TM_EVENT_DROP")
    DNS = constant("TM_EVENT_DNS")
    SAMPLE = constant("TM_EVENT_SAMPLE")
    ROW = constant("TM_EVENT_ROW")
    WRITTEN = constant("TM_EVENT_WRITTEN")


class ConnEvent(IntEnum):
    """enum tm_conn_event."""

    OPENED = constant("TM_CONN_OPENED")
    CLOSED = constant("TM_CONN_CLOSED")


class CloseReason(IntEnum):
    """enum tm_close_reason."""

    UNKNOWN = constant("TM_END_UNKNOWN")
    CLOSED_HERE = constant("TM_END_CLOSED_HERE")
    CLOSED_THERE = constant("TM_END_CLOSED_THERE")
    RESET_HERE = constant("TM_END_RESET_HERE")
    RESET_THERE = constant("TM_END_RESET_THERE")
    TIMED_OUT = constant("TM_END_TIMED_OUT")
    REFUSED = constant("TM_END_REFUSED")
    UNREACHABLE = constant("TM_END_UNREACHABLE")


class MatchKind(IntEnum):
    """enum tm_match_kind."""

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


class MatchSide(IntEnum):
    """enum tm_match_side."""

    LOCAL = constant("TM_SIDE_LOCAL")
    REMOTE = constant("TM_SIDE_REMOTE")


class AttachMode(IntEnum):
    """enum tm_attach_mode."""

    OFF = constant("TM_ATTACH_OFF")
    XDP_NATIVE = constant("TM_ATTACH_XDP_NATIVE")
    XDP_GENERIC = constant("TM_ATTACH_XDP_GENERIC")
    XDP_OFFLOAD = constant("TM_ATTACH_XDP_OFFLOAD")
    TCX = constant("TM_ATTACH_TCX")
    CLSACT = constant("TM_ATTACH_CLSACT")


class InterfaceState(IntEnum):
    """enum tm_interface_state."""

    FREE = constant("TM_INTERFACE_FREE")
    ATTACHING = constant("TM_INTERFACE_ATTACHING")
    ATTACHED = constant("TM_INTERFACE_ATTACHED")
    DETACHED = constant("TM_INTERFACE_DETACHED")
