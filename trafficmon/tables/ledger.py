# SPDX-License-Identifier: MIT
"""The loss ledger: what was seen and is not where one looks for it."""

from __future__ import annotations

from typing import Any

from trafficmon.layout import Hook, ServiceKind
from trafficmon.reader.flows import Flows
from trafficmon.reader.live import Live
from trafficmon.reader.services import Services

_WIRE_HOOKS = (Hook.XDP_RX, Hook.TC_RX, Hook.TC_TX)


def ledger_record(live: Live, services: Services, flows: Flows) -> dict[str, Any]:
    """The contract's ledger. Null: the layer that would know is not there.

    ``services`` was read before ``flows``, so that traffic between the two is no loss.
    ``flow_evictions`` follows from inserts and entries: the kernel's LRU evicts and tells nobody.
    ``flow_coverage_percent``: of the bytes of IP packets, those that are in some flow's row.
    """
    losses = live.ledger()
    seen = live.hook_counters()
    evictions = max(0, losses.flow_inserts - flows.entries)
    seen_bytes = _flow_bytes(services)
    in_flows = int(flows.values["rx_bytes"].sum() + flows.values["tx_bytes"].sum())
    lost_bytes = max(0, seen_bytes - in_flows) if evictions or losses.flow_insert_failures else 0
    return {
        "flow_evictions": evictions,
        "flow_insert_failures": losses.flow_insert_failures,
        "flow_insert_failure_bytes": losses.flow_insert_failure_bytes,
        "service_insert_failures": losses.service_insert_failures,
        "service_insert_failure_bytes": losses.service_insert_failure_bytes,
        "fragment_insert_failures": losses.fragment_insert_failures,
        "event_drops": None,
        "parse_errors": int(seen[:, _WIRE_HOOKS]["parse_errors"].sum()),
        "unattributed_packets": None,
        "unattributed_bytes": None,
        "evicted_flow_bytes": max(0, lost_bytes - losses.flow_insert_failure_bytes),
        "flow_coverage_percent": _percent(seen_bytes - lost_bytes, seen_bytes),
        "coverage_percent": {"xdp": None, "tc": None},
    }


def _flow_bytes(services: Services) -> int:
    kind = services.keys["kind"]
    values = services.values[(kind == ServiceKind.PORT) | (kind == ServiceKind.PROTOCOL)]
    return int(values["rx_bytes"].sum() + values["tx_bytes"].sum())


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 4) if whole else None
