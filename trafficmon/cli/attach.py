# SPDX-License-Identifier: MIT
"""`trafficmon attach`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trafficmon.cli import short
from trafficmon.cli.common import PinDir
from trafficmon.cli.say import say


def attach(
    iface: Annotated[
        list[str] | None,
        typer.Option("--iface", help="Interface; repeatable.  [default: the default route's]"),
    ] = None,
    cgroup: Annotated[
        Path | None,
        typer.Option("--cgroup", help="cgroup v2 to monitor.  [default: the root cgroup]"),
    ] = None,
    xdp: Annotated[
        str,
        typer.Option("--xdp", help="auto, or modes to try in turn: native,generic,offload,off."),
    ] = "auto",
    tc: Annotated[
        str, typer.Option("--tc", help="auto, tcx (Linux 6.6), or clsact filters.")
    ] = "auto",
    app: Annotated[
        str,
        typer.Option("--app", help="auto, or only: tracepoints, fexit, fexit-calls, kprobes."),
    ] = "auto",
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer", help="Only these: xdp,tc,dns,cgroup,sockops,app,drops.  [default: all]"
        ),
    ] = None,
    max_flows: Annotated[
        int | None, typer.Option("--max-flows", help="Size of the flow table.  [default: 131072]")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Members of this group read tables without root; not events, captures, logs.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take over what is attached; counters continue.")
    ] = False,
    pin_dir: PinDir = None,
) -> None:
    """Start counting. The kernel counts; no process stays."""
    short.begin()
    from trafficmon.attachment import attach as attaching
    from trafficmon.attachment import request as requests
    from trafficmon.pins import PinDirectory, chosen

    layers = requests.parse_layers(layer)
    requests.require_wire_layer(layers, iface)
    request = requests.Request(
        interfaces=requests.interfaces_named(iface) if iface else (),
        xdp_modes=requests.parse_xdp_modes(xdp),
        tc_mode=requests.parse_tc_mode(tc),
        app_mode=requests.parse_app_mode(app),
        layers=layers,
        layers_named=layer is not None,
        max_flows=requests.parse_max_flows(max_flows),
        group_id=requests.group_number(group),
        cgroup=requests.cgroup_path(cgroup),
        replace=replace,
    )
    pins = PinDirectory(chosen(pin_dir))
    report = attaching.attach(pins, request, _progress)
    _end_progress(len(report.interfaces))
    for done in report.interfaces:
        note = f" ({done.note})" if done.note else ""
        say(f"{done.name}: xdp {done.xdp_mode}, tc {done.tc_mode}{note}")
        if done.reason:
            say(f"  xdp: {done.reason}")
    if copied := [done.name for done in report.interfaces if done.dns]:
        say(f"dns: messages copied on {', '.join(copied)}")
    for layer_done in report.layers:
        note = f" ({layer_done.note})" if layer_done.note else ""
        say(f"{layer_done.layer}: {layer_done.mode}{note}")
    for line in report.notes:
        say(f"note: {line}")
    say(f"pinned under {pins.root}; show flows: 'trafficmon top flows', end: 'trafficmon detach'")


_FEW = 10


def _progress(done: int, of: int) -> None:
    """On a terminal, for many interfaces: they take seconds."""
    if of >= _FEW and sys.stderr.isatty():
        print(f"\rattached to {done} of {of} interfaces", end="", file=sys.stderr, flush=True)


def _end_progress(of: int) -> None:
    if of >= _FEW and sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
