# SPDX-License-Identifier: MIT
"""From one look at the pinned maps to a sample: which reader makes which part."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trafficmon.hook_registry import HOST_HOOKS, INTERFACE_HOOKS
from trafficmon.host import clock
from trafficmon.model.attachment import Attachment, Clock, HostHook, Machine
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.reader.live import Live
from trafficmon.records import text_of

if TYPE_CHECKING:
    from trafficmon.host.identities import Identities
    from trafficmon.model.dns import Dns
    from trafficmon.model.drops import Drops
    from trafficmon.model.programs import ProgramRun, Programs


def read_sample(
    live: Live,
    identities: Callable[[], Identities],
    parts: Part,
    why_incomplete: str | None = None,
) -> Sample:
    """A sample with ``parts``; ``why_incomplete``: of the names that were queried (DNS)."""
    reading = _Reading(live, identities, why_incomplete)
    held = {part: _READERS[part](reading) for part in Part if part in parts}  # in this order
    return Sample(machine(), _attachment(live), _clock(live), held, dict(live.read_at_s))


def machine() -> Machine:
    """This one."""
    names = os.uname()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
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
    boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Clock(
        taken_at_ns=monotonic_ns + clock.wall_minus_monotonic_ns(),
        monotonic_ns=monotonic_ns,
        boottime_ns=boottime_ns - clock.namespace_offset_ns("boottime"),
        jiffies_at=int(meta["jiffies_at"]),
        monotonic_ns_at=int(meta["monotonic_ns_at"]),
        jiffy_ns=int(meta["jiffy_ns"]),
    )


class _Reading:
    """Makes those parts that are more than a map. Each imports what it needs: see sample.py."""

    def __init__(
        self, live: Live, identities: Callable[[], Identities], why_incomplete: str | None
    ) -> None:
        self.live, self._identities, self._why_incomplete = live, identities, why_incomplete

    def names(self) -> Any:
        """Of the owners."""
        return self._identities().names(self.live.owners, self.live.labels.cgroup)

    def drops(self) -> Drops:
        """Without the drops layer there are none."""
        from trafficmon.layout import DROP, DROP_KEY
        from trafficmon.model.drops import DropNames, Drops
        from trafficmon.reader.drop_names import KernelDropNames

        if not self.live.has_hook("drop"):
            return Drops(np.zeros(0, DROP_KEY), np.zeros(0, DROP), DropNames({}, {}))
        keys, values = self.live.drops()
        names = KernelDropNames(self.live.drop_place, self._identities().kernel_function)
        return Drops(keys, values, names.names(np.unique(keys["location"]).tolist()))

    def link_names(self) -> dict[int, str]:
        """Of the links that sockets of the watched network namespace are bound to.

        Seen from another namespace, only of those that are attached.
        """
        from trafficmon.host import netns

        live = self.live
        if live.sockets is None:
            return {}
        if not netns.is_this(int(live.meta["netns_inode"]), int(live.meta["netns_cookie"])):
            return {one.ifindex: one.name for one in live.interfaces if not one.gone}
        numbers = np.unique(live.sockets["bound_ifindex"]).tolist()
        names = {number: netns.name_of(number) for number in numbers if number}
        return {number: name for number, name in names.items() if name is not None}

    def dns(self) -> Dns:
        """Names that were queried."""
        from trafficmon.model.dns import Dns

        book = self.live.dns_book
        return Dns([] if book is None else book.names(), self._why_incomplete)

    def dns_losses(self) -> dict[str, int]:
        """What could not be learned."""
        return {} if self.live.dns_book is None else self.live.dns_book.losses()

    def programs(self) -> Programs:
        """Those that are attached, as far as this process may open them."""
        from trafficmon.hooks.facts import xdp_program_of
        from trafficmon.host import bpffs
        from trafficmon.layout import AttachMode
        from trafficmon.libbpf.info import statistics_are_on
        from trafficmon.model.programs import Programs
        from trafficmon.model.verdicts import Presence

        pins, live, foreign = self.live.pins, self.live, {}
        paths: dict[tuple[str, int | None], Path] = {}
        for interface in live.interfaces:
            found = live.findings.interfaces.get(interface.slot)
            if found is None:
                continue
            slot = interface.slot
            paths |= {(kind, slot): pins.program(kind, slot) for kind in INTERFACE_HOOKS}
            if interface.xdp_mode == AttachMode.OFF and found.presence == Presence.HERE:
                foreign[slot] = xdp_program_of(interface.ifindex)
        paths |= {(kind, None): pins.host_program(kind) for kind in live.findings.host}
        runs = {key: run for key, path in paths.items() if (run := _run(path)) is not None}
        return Programs(
            has_statistics=statistics_are_on(),
            are_readable=os.access(pins.programs, os.R_OK | os.X_OK),
            runs=runs,
            foreign_xdp=foreign,
            mount_notes=tuple(bpffs.hidden(pins.root)),
        )

    def map_sizes(self) -> dict[str, int]:
        """Of the flows, the requested number; LRU maps have a little more."""
        names = "services", "owners"
        sizes = {name: self.live.map(name).facts().max_entries for name in names}
        return {"flows": int(self.live.meta["max_flows"]), **sizes}


def _run(pin: Path) -> ProgramRun | None:
    from trafficmon.errors import BpfError, MissingPrivilegeError
    from trafficmon.libbpf.info import program_facts
    from trafficmon.libbpf.object import Program
    from trafficmon.model.programs import ProgramRun

    try:
        with Program.from_pin(str(pin), read_only=True) as program:
            facts = program_facts(program)
    except (BpfError, MissingPrivilegeError):  # half-finished, or not ours to look at
        return None
    return ProgramRun(facts.id, facts.run_count, facts.run_time_ns, facts.missed_runs)


_READERS: dict[Part, Callable[[_Reading], Any]] = {
    Part.INTERFACES: lambda reading: reading.live.interfaces,
    Part.FINDINGS: lambda reading: reading.live.findings,
    Part.INTERFACE_NAMES: lambda reading: reading.live.interface_names,
    Part.HOOK_COUNTERS: lambda reading: reading.live.hook_counters(),
    Part.LAYERS: lambda reading: reading.live.layers(),
    Part.OWNERS: lambda reading: reading.live.owners,
    Part.SOCKETS: lambda reading: reading.live.sockets,
    Part.NAMES: _Reading.names,
    Part.PROCESS_LABELS: lambda reading: reading.live.labels.processes(),
    Part.LINK_NAMES: _Reading.link_names,
    Part.LEDGER: lambda reading: reading.live.ledger(),
    Part.SERVICES: lambda reading: reading.live.services(),
    Part.FLOWS: lambda reading: reading.live.flows(),
    Part.DROPS: _Reading.drops,
    Part.EVENT_COUNTS: lambda reading: reading.live.event_counts(),
    Part.REMOTE_NAMES: lambda reading: reading.live.remote_names,
    Part.DNS: _Reading.dns,
    Part.DNS_LOSSES: _Reading.dns_losses,
    Part.PROGRAMS: _Reading.programs,
    Part.MAP_SIZES: _Reading.map_sizes,
}
