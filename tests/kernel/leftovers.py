# SPDX-License-Identifier: MIT
"""What is in the kernel that no one accounts for: an independent look for what was left."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.namespace import Namespace

KINDS = ("prog", "map", "link")
_PATIENCE_S = 10.0  # the kernel frees in its own time


@dataclass
class Objects:
    """BPF objects by their ids."""

    prog: set[int] = field(default_factory=set)
    map: set[int] = field(default_factory=set)
    link: set[int] = field(default_factory=set)

    def of(self, kind: str) -> set[int]:
        """The ids of one of KINDS."""
        ids: set[int] = getattr(self, kind)
        return ids

    def __bool__(self) -> bool:
        return bool(self.prog or self.map or self.link)


def loaded() -> Objects:
    """All that bpftool lists."""
    return Objects(**{kind: {entry["id"] for entry in _listed(kind)} for kind in KINDS})


def orphans(before: Objects) -> Objects:
    """What was loaded since ``before`` and neither a process holds nor a pin.

    Such a thing lives because it hangs on an interface (or leaks): tests that run beside this one
    have theirs open or pinned, each process among mounts of its own. Waits until there is none, or
    ten seconds.
    """
    deadline = time.monotonic() + _PATIENCE_S
    found = _orphans_now(before, Objects())
    while found and time.monotonic() < deadline:
        time.sleep(0.2)
        now = _orphans_now(before, _pinned_elsewhere())
        for kind in KINDS:  # what was left stays; others' are between two states for a moment
            found.of(kind).intersection_update(now.of(kind))
    return found


def hooks(namespace: Namespace) -> str:
    """Qdiscs, filters and XDP programs of all interfaces of a namespace, by tc(8) and ip(8)."""
    said = [namespace.run(["tc", "qdisc", "show"]).stdout]
    for link in json.loads(namespace.run(["ip", "-json", "link", "show"]).stdout):
        name = link["ifname"]
        said.append(f"{name}: xdp {link.get('xdp')}\n")
        for side in ("ingress", "egress"):
            filters = namespace.run(["tc", "filter", "show", "dev", name, side], check=False)
            said.append(f"{name} {side}: {filters.stdout}\n")
    return "".join(said)


def _orphans_now(before: Objects, pinned: Objects) -> Objects:
    entries = {kind: _listed(kind) for kind in KINDS}
    held = _held_by_processes()
    for kind in KINDS:
        held.of(kind).update(pinned.of(kind))
        held.of(kind).update(e["id"] for e in entries[kind] if e.get("pinned"))
    held.prog.update(e["prog_id"] for e in entries["link"] if e["id"] in held.link)
    for program in entries["prog"]:
        if program["id"] in held.prog:
            held.map.update(program.get("map_ids", ()))
    return Objects(
        **{
            kind: {e["id"] for e in entries[kind]} - held.of(kind) - before.of(kind)
            for kind in KINDS
        }
    )


def _pinned_elsewhere() -> Objects:
    """In the BPF file systems of other mount namespaces."""
    pinned = Objects()
    seen = {Path("/proc/self/ns/mnt").stat().st_ino}
    for place in Path("/proc").glob("[0-9]*/ns/mnt"):
        try:
            inode = place.stat().st_ino
        except OSError:  # it has ended
            continue
        if inode in seen:
            continue
        seen.add(inode)
        for kind in KINDS:
            entries = _listed(kind, "nsenter", f"--mount={place}")
            pinned.of(kind).update(entry["id"] for entry in entries if entry.get("pinned"))
    return pinned


def _listed(kind: str, *prefix: str) -> list[dict[str, Any]]:
    """`bpftool -f -j prog show` and the like; -f names the pins. Nothing where it cannot be run."""
    argv = [*prefix, "bpftool", "-f", "-j", kind, "show"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    entries: list[dict[str, Any]] = json.loads(said or "[]")
    return [entry for entry in entries if "id" in entry]


def _held_by_processes() -> Objects:
    """The objects that some process has open (proc(5), /proc/PID/fdinfo)."""
    held = Objects()
    for info in _fdinfo():
        for line in info.splitlines():
            name, _, value = line.partition(":")
            if name in {"prog_id", "map_id", "link_id"}:
                held.of(name.removesuffix("_id")).add(int(value))
    return held


def _fdinfo() -> Iterator[str]:
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            descriptors = list((process / "fdinfo").iterdir())
        except OSError:  # it has ended
            continue
        for descriptor in descriptors:
            try:
                yield descriptor.read_text(encoding="ascii", errors="replace")
            except OSError:
                continue
