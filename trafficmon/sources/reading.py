# SPDX-License-Identifier: MIT
"""From one look at the pinned maps to a sample: which reader makes which part."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trafficmon.errors import BpfError, MissingPrivilegeError
from trafficmon.hook_registry import HOST_HOOKS, INTERFACE_HOOKS
from trafficmon.hooks.facts import xdp_program_of
from trafficmon.host import bpffs, clock, netns
from trafficmon.host.identities import Identities
from trafficmon.layout import DROP, DROP_KEY, Mode
from trafficmon.libbpf.info import program_facts, statistics_are_on
from trafficmon.libbpf.object import Program
from trafficmon.model.attachment import Attachment, Clock, HostHook, Machine
from trafficmon.model.dns import Dns
from trafficmon.model.drops import DropNames, Drops
from trafficmon.model.parts import Part
from trafficmon.model.programs import ProgramRun, Programs
from trafficmon.model.sample import Sample
from trafficmon.model.verdicts import Presence
from trafficmon.reader.drop_names import KernelDropNames
from trafficmon.reader.live import Live
from trafficmon.records import text_of


def read_sample(
    live: Live, identities: Identities, parts: Part, why_incomplete: str | None = None
) -> Sample:
    """A sample with ``parts``; ``why_incomplete``: of the names that were queried (DNS)."""
    held: dict[Part, Any] = {}
    for part in Part:  # in the order of their definition
        if part in parts:
            held[part] = _READERS[part](live, identities)
    if Part.DNS in held:
        held[Part.DNS] = Dns(held[Part.DNS], why_incomplete)
    return Sample(machine(), _attachment(live), _clock(live), held, dict(live.read_at_s))


def machine() -> Machine:
    """This one."""
    names = os.uname()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return Machine(names.nodename, names.release, boot_id)


def _attachment(live: Live) -> Attachment:
    meta = live.meta
    return Attachment(
        where=str(live.pins.root),
        version=text_of(meta["program_version"]),
        attached_at_ns=int(meta["attached_at_ns"]),
        cgroup=text_of(meta["cgroup"]),
        netns_inode=int(meta["netns_inode"]),
        netns_cookie=int(meta["netns_cookie"]),
        max_flows=int(meta["max_flows"]),
        hooks=tuple(
            HostHook(kind, hook.layer, hook.mode)
            for kind, hook in HOST_HOOKS.items()
            if live.has_hook(kind)
        ),
    )


def _clock(live: Live) -> Clock:
    meta, monotonic_ns = live.meta, clock.monotonic_ns()
    return Clock(
        taken_at_ns=monotonic_ns + clock.wall_minus_monotonic_ns(),
        monotonic_ns=monotonic_ns,
        boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        - clock.namespace_offset_ns("boottime"),
        jiffies_at=int(meta["jiffies_at"]),
        monotonic_ns_at=int(meta["monotonic_ns_at"]),
        jiffy_ns=int(meta["jiffy_ns"]),
    )


def _drops(live: Live, identities: Identities) -> Drops:
    if not live.has_hook("drop"):
        return Drops(np.zeros(0, DROP_KEY), np.zeros(0, DROP), DropNames({}, {}))
    keys, values = live.drops()
    names = KernelDropNames(live.drop_place, identities.kernel_function)
    return Drops(keys, values, names.names(np.unique(keys["location"]).tolist()))


def _link_names(live: Live, _: Identities) -> dict[int, str]:
    """Of the links that sockets of the watched network namespace are bound to.

    Seen from another namespace, only of those that are attached.
    """
    inode, cookie = int(live.meta["netns_inode"]), int(live.meta["netns_cookie"])
    if live.sockets is None:
        return {}
    if not netns.is_this(inode, cookie):
        return {one.ifindex: one.name for one in live.interfaces if not one.gone}
    numbers = np.unique(live.sockets["bound_ifindex"]).tolist()
    names = {number: netns.name_of(number) for number in numbers if number}
    return {number: name for number, name in names.items() if name is not None}


def _programs(live: Live, _: Identities) -> Programs:
    pins, foreign = live.pins, {}
    runs: dict[tuple[str, int | None], ProgramRun] = {}
    for interface in live.interfaces:
        found = live.findings.interfaces.get(interface.slot)
        if found is None:
            continue
        for kind in INTERFACE_HOOKS:
            if (run := _run(pins.program(kind, interface.slot))) is not None:
                runs[kind, interface.slot] = run
        if interface.xdp_mode == Mode.OFF and found.presence == Presence.HERE:
            foreign[interface.slot] = xdp_program_of(interface.ifindex)
    for kind in HOST_HOOKS:
        if live.has_hook(kind) and (run := _run(pins.host_program(kind))) is not None:
            runs[kind, None] = run
    return Programs(
        has_statistics=statistics_are_on(),
        are_readable=os.access(pins.programs, os.R_OK | os.X_OK),
        runs=runs,
        foreign_xdp=foreign,
        mount_notes=tuple(bpffs.hidden(pins.root)),
    )


def _run(pin: Path) -> ProgramRun | None:
    try:
        with Program.from_pin(str(pin), read_only=True) as program:
            facts = program_facts(program)
    except (BpfError, MissingPrivilegeError):  # half-finished, or not ours to look at
        return None
    return ProgramRun(facts.id, facts.run_count, facts.run_time_ns, facts.missed_runs)


def _map_sizes(live: Live, _: Identities) -> dict[str, int]:
    sizes = {name: live.map(name).facts().max_entries for name in ("services", "owners")}
    return {"flows": int(live.meta["max_flows"]), **sizes}


_READERS: dict[Part, Callable[[Live, Identities], Any]] = {
    Part.INTERFACES: lambda live, _: live.interfaces,
    Part.FINDINGS: lambda live, _: live.findings,
    Part.INTERFACE_NAMES: lambda live, _: live.interface_names,
    Part.HOOK_COUNTERS: lambda live, _: live.hook_counters(),
    Part.LAYERS: lambda live, _: live.layers(),
    Part.OWNERS: lambda live, _: live.owners,
    Part.SOCKETS: lambda live, _: live.sockets,
    Part.NAMES: lambda live, identities: identities.names(live.owners, live.labels.cgroup),
    Part.PROCESS_LABELS: lambda live, _: live.labels.processes(),
    Part.LINK_NAMES: _link_names,
    Part.LEDGER: lambda live, _: live.ledger(),
    Part.SERVICES: lambda live, _: live.services(),
    Part.FLOWS: lambda live, _: live.flows(),
    Part.DROPS: _drops,
    Part.EVENT_COUNTS: lambda live, _: live.event_counts(),
    Part.REMOTE_NAMES: lambda live, _: live.remote_names,
    Part.DNS: lambda live, _: [] if live.dns_book is None else live.dns_book.names(),
    Part.DNS_LOSSES: lambda live, _: {} if live.dns_book is None else live.dns_book.losses(),
    Part.PROGRAMS: _programs,
    Part.MAP_SIZES: _map_sizes,
}
