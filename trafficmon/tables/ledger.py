# SPDX-License-Identifier: MIT
"""The loss ledger: what was seen and is not where one looks for it."""

from __future__ import annotations

from typing import Any

from trafficmon.layout import Hook
from trafficmon.reader.live import Live

_WIRE_HOOKS = (Hook.XDP_RX, Hook.TC_RX, Hook.TC_TX)


def ledger_record(live: Live) -> dict[str, Any]:
    """The contract's ledger. Null: the layer that would know is not there.

    ``flow_evictions`` follows from inserts and entries: the kernel tells nobody when its LRU evicts.
    ``flow_coverage_percent``: bytes of IP packets that are in some flow's counters now.
    """
    losses = live.ledger()
    flows = live.flows()
    services = live.services()
    seen = live.hook_counters()
    in_flows = int(flows.values["rx_bytes"].sum() + flows.values["tx_bytes"].sum())
    is_flow = (services.keys["kind"] == 1) | (services.keys["kind"] == 2)
    in_services = services.values[is_flow]
    flow_bytes = int(in_services["rx_bytes"].sum() + in_services["tx_bytes"].sum())
    return {
        "flow_evictions": max(0, losses.flow_inserts - flows.entries),
        "flow_insert_failures": losses.flow_insert_failures,
        "flow_insert_failure_bytes": losses.flow_insert_failure_bytes,
        "service_insert_failures": losses.service_insert_failures,
        "service_insert_failure_bytes": losses.service_insert_failure_bytes,
        "fragment_insert_failures": losses.fragment_insert_failures,
        "event_drops": None,
        "parse_errors": int(seen[:, _WIRE_HOOKS]["parse_errors"].sum()),
        "unattributed_packets": None,
        "unattributed_bytes": None,
        "evicted_flow_bytes": max(0, flow_bytes - in_flows - losses.flow_insert_failure_bytes),
        "flow_coverage_percent": round(100 * in_flows / flow_bytes, 4) if flow_bytes else None,
        "coverage_percent": {"xdp": None, "tc": None},
    }
