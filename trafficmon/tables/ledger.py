# SPDX-License-Identifier: MIT
"""The loss ledger: what was counted by a hook and is missing from the tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from trafficmon.layout import EventKind, Hook, Layer, ServiceKind
from trafficmon.model.flow_owners import owner_ids
from trafficmon.model.flows import Flows
from trafficmon.model.owners import is_known
from trafficmon.model.sample import Sample
from trafficmon.model.services import Services

_WIRE_HOOKS = (Hook.XDP_RX, Hook.TC_RX, Hook.TC_TX)


def ledger_record(sample: Sample) -> dict[str, Any]:
    """The contract's ledger. Null: the layer that would know is not there.

    Services were read before flows, so that traffic between the two is no loss.
    ``flow_evictions`` follows from inserts and entries: LRU maps report no eviction.
    ``flow_coverage_percent``: of the bytes of IP packets, those that are in some flow's row.
    """
    services, flows, losses = sample.services, sample.flows, sample.ledger
    seen = sample.hook_counters
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
        **_events(sample),
        "parse_errors": int(seen[:, _WIRE_HOOKS]["parse_errors"].sum()),
        **_unattributed(sample),
        "evicted_flow_bytes": max(0, lost_bytes - losses.flow_insert_failure_bytes),
        "flow_coverage_percent": _percent(seen_bytes - lost_bytes, seen_bytes),
        "coverage_percent": _coverage(sample, flows),
    }


def _events(sample: Sample) -> dict[str, int]:
    """What readers of events did not get: beyond a limit, or the ring buffer was full."""
    counts, lost = sample.event_counts, sample.dns_losses
    return {
        "event_drops": int(counts["lost"].sum()),
        "event_limited": int(counts["limited"].sum()),
        "dns_message_drops": int(counts[EventKind.DNS]["lost"]),
        "dns_malformed": lost.get("malformed", 0),
        "dns_incomplete": lost.get("incomplete", 0),
        "dns_unread_records": lost.get("unread_records", 0),
        "dns_lost_streams": lost.get("streams", 0),
        "dns_names_forgotten": lost.get("names_forgotten", 0),
        "dns_addresses_forgotten": lost.get("addresses_forgotten", 0),
        "log_row_drops": int(counts[[EventKind.ROW, EventKind.WRITTEN]]["lost"].sum()),
        "sample_drops": int(counts[EventKind.SAMPLE]["lost"]),
    }


def _unattributed(sample: Sample) -> dict[str, int | None]:
    """At the cgroup layer: of sockets that no process is known of."""
    owners = sample.owners
    if owners is None:
        names = ("unattributed_packets", "unattributed_bytes", "owner_insert_failures")
        return dict.fromkeys(names)
    nobodys = owners.records[~is_known(owners.records)]
    layers = sample.layers[[Layer.CGROUP_RX, Layer.CGROUP_TX]]
    losses = {
        f"unattributed_{what}": int(
            layers[f"unowned_{what}"].sum()
            + nobodys[f"rx_{what}"].sum()
            + nobodys[f"tx_{what}"].sum()
        )
        for what in ("packets", "bytes")
    }
    return {**losses, "owner_insert_failures": int(sample.layers["owner_insert_failures"].sum())}


def _coverage(sample: Sample, flows: Flows) -> dict[str, float | None]:
    """Per layer: of the bytes seen, those that have a process; of the wire's, those of IP flows."""
    owners = sample.owners
    if owners is None:
        return {"xdp": None, "tc": None, "cgroup": None}
    ids = owner_ids(flows.keys, flows.values, sample.socket_index)
    rows = owners.rows_of(ids)
    known = np.append(is_known(owners.records), False)[rows]
    rx, tx = flows.values["rx_bytes"], flows.values["tx_bytes"]
    return {
        "xdp": _percent(int(rx[known].sum()), int(rx.sum())),
        "tc": _percent(int((rx + tx)[known].sum()), int((rx + tx).sum())),
        "cgroup": cgroup_coverage(sample),
    }


def cgroup_coverage(sample: Sample) -> float | None:
    """Of the cgroup layer's bytes, those of a known process; None where there were none."""
    if sample.owners is None:
        return None
    layers = sample.layers[[Layer.CGROUP_RX, Layer.CGROUP_TX]]
    unknown = _unattributed(sample)["unattributed_bytes"] or 0
    seen = int(layers["bytes"].sum())
    return _percent(seen - unknown, seen)


def _flow_bytes(services: Services) -> int:
    kind = services.keys["kind"]
    values = services.values[(kind == ServiceKind.PORT) | (kind == ServiceKind.PROTOCOL)]
    return int(values["rx_bytes"].sum() + values["tx_bytes"].sum())


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 4) if whole else None
