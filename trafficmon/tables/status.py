# SPDX-License-Identifier: MIT
"""What is attached, as one record."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trafficmon.errors import BpfError, MissingPrivilegeError
from trafficmon.hook_registry import HOST_HOOKS, HOST_KINDS
from trafficmon.hooks.facts import xdp_program_of
from trafficmon.host import bpffs
from trafficmon.layout import EventKind, Mode
from trafficmon.libbpf.info import program_facts, statistics_are_on
from trafficmon.libbpf.object import Program
from trafficmon.model.interfaces import WatchedInterface
from trafficmon.model.verdicts import Presence, Verdict
from trafficmon.reader.live import Live
from trafficmon.records import text_of
from trafficmon.tables.health import complaints
from trafficmon.tables.ledger import ledger_record
from trafficmon.tables.times import time_text

_MODES = {
    Mode.OFF: "off",
    Mode.XDP_NATIVE: "native",
    Mode.XDP_GENERIC: "generic",
    Mode.XDP_OFFLOAD: "offload",
    Mode.TCX: "tcx",
    Mode.CLSACT: "clsact",
}


def status_record(live: Live) -> dict[str, Any]:
    """Everything that `status --json` says."""
    services = live.services()  # before the flows: see ledger_record
    flows = live.flows()
    interfaces = [_interface(live, interface) for interface in live.interfaces]
    layers = [_host_layer(live, kind) for kind in HOST_KINDS if live.has_hook(kind)]
    programs = [*layers, *(layer for interface in interfaces for layer in interface["layers"])]
    return {
        "version": text_of(live.meta["program_version"]),
        "pin_dir": str(live.pins.root),
        "cgroup": text_of(live.meta["cgroup"]) or None,
        "attached_at": time_text(int(live.meta["attached_at_ns"]) / 1e9),
        "now": time_text(datetime.now(UTC).timestamp()),
        "run_statistics": statistics_are_on(),
        "problems": [*complaints(live), *bpffs.hidden(live.pins.root)],
        "programs_readable": os.access(live.pins.programs, os.R_OK | os.X_OK),
        "interfaces": interfaces,
        "layers": layers,
        "events": [_events(live, kind) for kind in EventKind],
        "maps": [
            _fill("flows", flows.entries, int(live.meta["max_flows"])),
            _fill("services", services.entries, live.map("services").facts().max_entries),
            _fill("owners", live.owner_entries(), live.map("owners").facts().max_entries),
        ],
        "ledger": ledger_record(live, services, flows) | _missed(programs),
    }


def _missed(programs: list[dict[str, Any]]) -> dict[str, int | None]:
    """Runs that the kernel left out, of all programs; None where none may be looked at."""
    told = [one["missed_runs"] for one in programs if one["missed_runs"] is not None]
    return {"missed_runs": sum(told) if told else None}


def _events(live: Live, kind: EventKind) -> dict[str, Any]:
    """What became of events: offered = delivered + limited + lost."""
    counts = live.event_counts()[kind]
    told = {name: int(counts[name]) for name in ("offered", "delivered", "limited", "lost")}
    return {"kind": kind.name.lower(), **told}


def _fill(name: str, entries: int, room: int) -> dict[str, Any]:
    return {
        "map": name,
        "entries": entries,
        "max_entries": room,
        "fill_percent": round(100 * entries / room, 2),
    }


def _interface(live: Live, interface: WatchedInterface) -> dict[str, Any]:
    tc = interface.tc_mode
    return {
        "interface": interface.name,
        "ifindex": interface.ifindex,
        "state": "gone" if interface.gone else interface.state.name.lower(),
        "xdp_mode": _MODES[interface.xdp_mode],
        "xdp_reason": interface.reason or None,
        "tc_mode": _MODES[tc],
        "counted_in_sums": not interface.covered,
        "layers": [
            _with_foreign_xdp(live, interface),
            _layer(live, interface, "tc", "tc_rx", tc if interface.tc_rx else Mode.OFF),
            _layer(live, interface, "tc", "tc_tx", tc),
            _hook_record("dns", "dns", "copied" if interface.dns else "off"),
        ],
    }


def _layer(
    live: Live, interface: WatchedInterface, layer: str, hook: str, mode: Mode
) -> dict[str, Any]:
    record = _hook_record(layer, hook, _MODES[mode])
    found = live.findings.interfaces.get(interface.slot)
    if mode == Mode.OFF or found is None:
        return record
    record |= _verdict(found.hooks[hook])
    return _with_program(record, live.pins.program(hook, interface.slot))


def _with_foreign_xdp(live: Live, interface: WatchedInterface) -> dict[str, Any]:
    """Where ours is off another may be: what that drops, tc does not see."""
    record = _layer(live, interface, "xdp", "xdp", interface.xdp_mode)
    found = live.findings.interfaces.get(interface.slot)
    if interface.xdp_mode == Mode.OFF and found is not None and found.presence == Presence.HERE:
        other = xdp_program_of(interface.ifindex)
        record["foreign_programs"] = [] if other is None else [other]
    return record


def _host_layer(live: Live, kind: str) -> dict[str, Any]:
    hook = HOST_HOOKS[kind]
    record = _hook_record(hook.layer, kind, hook.mode) | _verdict(live.findings.host[kind])
    return _with_program(record, live.pins.host_program(kind))


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "state": verdict.condition.value,
        "state_reason": verdict.reason or None,
        "foreign_programs": None if verdict.foreign is None else list(verdict.foreign),
    }


def _hook_record(layer: str, hook: str, mode: str) -> dict[str, Any]:
    return {
        "layer": layer,
        "hook": hook,
        "mode": mode,
        "state": None,  # nothing of ours is to be there
        "state_reason": None,
        "foreign_programs": None,
        "program_id": None,
        "run_count": None,
        "ns_per_run": None,
        "missed_runs": None,
    }


def _with_program(record: dict[str, Any], pin: Path) -> dict[str, Any]:
    try:
        with Program.from_pin(str(pin), read_only=True) as program:
            facts = program_facts(program)
    except (BpfError, MissingPrivilegeError):  # half-finished, or not ours to look at
        return record
    record["program_id"] = facts.id
    record["missed_runs"] = facts.missed_runs
    if facts.run_count:
        record["run_count"] = facts.run_count
        record["ns_per_run"] = round(facts.run_time_ns / facts.run_count, 1)
    return record
