# SPDX-License-Identifier: MIT
"""`trafficmon status`."""

from __future__ import annotations

from typing import Any

import typer

from trafficmon.cli import short
from trafficmon.cli.common import Json, PinDir
from trafficmon.cli.say import complain, say
from trafficmon.errors import NotAttachedError


def status(as_json: Json = False, pin_dir: PinDir = None) -> None:
    """What is attached where, how full the tables are, and what was lost.

    Ends with 1 when a hook was taken away, or all watched interfaces were removed; one that was
    removed is a note.
    """
    short.begin()
    from trafficmon.pins import PinDirectory, chosen
    from trafficmon.sources.pinned import PinnedSource
    from trafficmon.tables.health import is_wrong
    from trafficmon.tables.status import STATUS_PARTS, status_record

    with PinnedSource(PinDirectory(chosen(pin_dir))) as source:
        sample = source.read(STATUS_PARTS)
    record = status_record(sample)
    is_counting = any(i["state"] != "detached" for i in record["interfaces"])
    if not (is_counting or record["layers"]):
        raise NotAttachedError("nothing is attached; start with 'trafficmon attach'")
    if as_json:
        from trafficmon.render.plain import to_json

        print(to_json(record))
    else:
        _print(record)
    for line in record["problems"]:
        complain(f"note: {line}")
    if is_wrong(sample):
        raise typer.Exit(1)


def _print(record: dict[str, Any]) -> None:
    say(f"counting since {record['attached_at']}, pinned under {record['pin_dir']}\n")
    for interface in record["interfaces"]:
        _print_interface(interface)
    if record["layers"]:
        say(f"host (cgroup {record['cgroup']})")
        for layer in record["layers"]:
            _print_hook(layer, f"{layer['layer']} {layer['hook']}")
    say("tables:")
    for table in record["maps"]:
        full = f"{table['fill_percent']:.1f} %" if table["fill_percent"] is not None else "-"
        say(f"  {table['map']:<10} {table['entries']:>9,} of {table['max_entries']:>9,}  {full}")
    say("events:")
    for kind in record["events"]:
        counts = ", ".join(f"{kind[n]:,} {n}" for n in ("offered", "delivered", "limited", "lost"))
        say(f"  {kind['kind']:<10} {counts}")
    say("losses:")
    for name, value in record["ledger"].items():
        if name != "coverage_percent":
            say(f"  {name:<30} {'-' if value is None else format(value, ',')}")
    if not record["programs_readable"]:
        say("run statistics, missed runs: root only (a user who may read programs may run them)")
    elif not record["run_statistics"]:
        say("run counts: off; enable: 'sysctl kernel.bpf_stats_enabled=1' (20 ns a packet)")


def _print_interface(interface: dict[str, Any]) -> None:
    say(f"{interface['interface']} ({interface['state']})")
    for layer in interface["layers"]:
        _print_hook(layer, layer["hook"])
    if interface["xdp_reason"]:
        say(f"  xdp: {interface['xdp_reason']}")


def _print_hook(layer: dict[str, Any], name: str) -> None:
    program = "" if layer["program_id"] is None else f"  program {layer['program_id']}"
    cost = (
        f"  {layer['run_count']:,} runs, {layer['ns_per_run']:.0f} ns each"
        if layer["run_count"]
        else ""
    )
    missed = f"  missed {layer['missed_runs']:,} runs" if layer["missed_runs"] else ""
    state = ""
    if layer["state"] not in (None, "alive"):
        word = "not known" if layer["state"] == "unknown" else layer["state"].upper()
        state = f"  {word}: {layer['state_reason']}"
    if layer["foreign_programs"]:
        state += f"  beside programs of others: {', '.join(map(str, layer['foreign_programs']))}"
    say(f"  {name:<22} {layer['mode']:<10}{program}{cost}{missed}{state}")
