# SPDX-License-Identifier: MIT
"""What is attached, as one record."""

from __future__ import annotations

from typing import Any

from trafficmon.layout import AttachMode, EventKind
from trafficmon.model.attachment import HostHook
from trafficmon.model.interfaces import WatchedInterface
from trafficmon.model.parts import Part
from trafficmon.model.programs import ProgramRun
from trafficmon.model.sample import Sample
from trafficmon.model.verdicts import Verdict
from trafficmon.records import mode_name
from trafficmon.tables.catalogue import ACROSS_LAYERS, HEALTH
from trafficmon.tables.health import complaints
from trafficmon.tables.ledger import ledger_record
from trafficmon.tables.times import time_text

STATUS_PARTS = (
    HEALTH | ACROSS_LAYERS | Part.EVENT_COUNTS | Part.DNS_LOSSES | Part.PROGRAMS | Part.MAP_SIZES
)
"""What the record is made of."""


def status_record(sample: Sample) -> dict[str, Any]:
    """Everything that `status --json` says."""
    interfaces = [_interface(sample, interface) for interface in sample.interfaces]
    layers = [_host_layer(sample, hook) for hook in sample.attachment.hooks]
    programs = [*layers, *(layer for interface in interfaces for layer in interface["layers"])]
    return {
        "version": sample.attachment.version,
        "pin_dir": sample.attachment.where,
        "cgroup": sample.attachment.cgroup or None,
        "attached_at": time_text(sample.attachment.attached_at_ns / 1e9),
        "now": time_text(sample.clock.taken_at_ns / 1e9),
        "run_statistics": sample.programs.has_statistics,
        "problems": [*complaints(sample), *sample.programs.mount_notes],
        "programs_readable": sample.programs.are_readable,
        "interfaces": interfaces,
        "layers": layers,
        "events": [_events(sample, kind) for kind in EventKind],
        "maps": [
            _fill(name, entries, sample.map_sizes[name])
            for name, entries in (
                ("flows", sample.flows.entries),
                ("services", sample.services.entries),
                ("owners", sample.owners.entries if sample.owners is not None else 0),
            )
        ],
        "ledger": ledger_record(sample) | _missed(programs),
    }


def _missed(programs: list[dict[str, Any]]) -> dict[str, int | None]:
    """Runs that the kernel left out, of all programs; None where none may be looked at."""
    known = [one["missed_runs"] for one in programs if one["missed_runs"] is not None]
    return {"missed_runs": sum(known) if known else None}


def _events(sample: Sample, kind: EventKind) -> dict[str, Any]:
    """What became of events: offered = delivered + limited + lost."""
    counts = sample.event_counts[kind]
    known = {name: int(counts[name]) for name in ("offered", "delivered", "limited", "lost")}
    return {"kind": kind.name.lower(), **known}


def _fill(name: str, entries: int, room: int) -> dict[str, Any]:
    return {
        "map": name,
        "entries": entries,
        "max_entries": room,
        "fill_percent": round(100 * entries / room, 2),
    }


def _interface(sample: Sample, interface: WatchedInterface) -> dict[str, Any]:
    tc = interface.tc_mode
    return {
        "interface": interface.name,
        "ifindex": interface.ifindex,
        "state": "gone" if interface.gone else interface.state.name.lower(),
        "xdp_mode": mode_name(interface.xdp_mode),
        "xdp_reason": interface.reason or None,
        "tc_mode": mode_name(tc),
        "counted_in_sums": not interface.covered,
        "layers": [
            _with_foreign_xdp(sample, interface),
            _layer(sample, interface, "tc", "tc_rx", tc if interface.tc_rx else AttachMode.OFF),
            _layer(sample, interface, "tc", "tc_tx", tc),
            _hook_record("dns", "dns", "copied" if interface.dns else "off"),
        ],
    }


def _layer(
    sample: Sample, interface: WatchedInterface, layer: str, hook: str, mode: AttachMode
) -> dict[str, Any]:
    record = _hook_record(layer, hook, mode_name(mode))
    found = sample.findings.interfaces.get(interface.slot)
    if mode == AttachMode.OFF or found is None:
        return record
    record |= _verdict(found.hooks[hook])
    return _with_program(record, sample.programs.runs.get((hook, interface.slot)))


def _with_foreign_xdp(sample: Sample, interface: WatchedInterface) -> dict[str, Any]:
    """Where ours is off another may be: what that drops, tc does not see."""
    record = _layer(sample, interface, "xdp", "xdp", interface.xdp_mode)
    if interface.slot in sample.programs.foreign_xdp:
        other = sample.programs.foreign_xdp[interface.slot]
        record["foreign_programs"] = [] if other is None else [other]
    return record


def _host_layer(sample: Sample, hook: HostHook) -> dict[str, Any]:
    record = _hook_record(hook.layer, hook.kind, hook.mode)
    record |= _verdict(sample.findings.host[hook.kind])
    return _with_program(record, sample.programs.runs.get((hook.kind, None)))


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


def _with_program(record: dict[str, Any], run: ProgramRun | None) -> dict[str, Any]:
    if run is None:
        return record
    record["program_id"] = run.id
    record["missed_runs"] = run.missed_runs
    if run.run_count:
        record["run_count"] = run.run_count
        record["ns_per_run"] = round(run.run_time_ns / run.run_count, 1)
    return record
