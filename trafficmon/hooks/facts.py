# SPDX-License-Identifier: MIT
"""What the kernel says today about the hooks that attach has made. Nothing is judged here.

Each reading queries it, so only what is cheap: two to four system calls a hook. What
explains a loss (the link by its number, another XDP program) is queried where there is one.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from trafficmon.errors import BpfError, MissingPrivilegeError
from trafficmon.hook_registry import HOST_KINDS, INTERFACE_HOOKS
from trafficmon.host import cgroups, netns
from trafficmon.host.filters import FilterList, ListedFilter
from trafficmon.layout import AttachMode
from trafficmon.libbpf.clsact import ATTACH_POINTS
from trafficmon.libbpf.info import program_facts, tcx_programs, xdp_program
from trafficmon.libbpf.link import LinkFacts, link_by_id, pinned_link_facts
from trafficmon.libbpf.object import Program
from trafficmon.pins import PinDirectory
from trafficmon.records import hook_numbers, text_of

TC_POINTS = {
    name: ATTACH_POINTS[hook.attach_type]
    for name, hook in INTERFACE_HOOKS.items()
    if hook.layer == "tc"
}
_LOOK_FOR_NAMESPACE_EVERY_S = 5.0


class Pin(Enum):
    """What became of a pin that attach made."""

    THERE = "there"
    MISSING = "missing"
    CLOSED = "closed"  # not ours to open
    STRANGE = "strange"  # something else has its name


@dataclass(frozen=True)
class HookFacts:
    """``program_ids``: that are ours; two while --replace is at it.

    ``link``: by its pin; where that is missing, by its number, if something else holds it.
    """

    program_ids: frozenset[int]
    link_id: int
    link_pin: Pin
    program_pin: Pin
    link: LinkFacts | None
    program_path: Path


@dataclass(frozen=True)
class PlaceFacts:
    """An interface. ``name`` None: there is none of that number here; ``back_as`` one of its name.

    By hook ("tc_rx", "tc_tx"): the tcx programs and the filters of that side, in the order in which
    they run; None where that is not known.
    """

    is_here: bool
    has_namespace: bool
    name: str | None = None
    back_as: int | None = None
    tcx: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    filters: dict[str, list[ListedFilter] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class CgroupFacts:
    """The directory that attach was given. ``id_today`` None: it is not there.

    ``is_visible`` False: this process does not see where it would be.
    """

    path: str
    id_today: int | None
    is_visible: bool


class Kernel:
    """Queries the kernel; close() or the ``with`` block releases what it uses for that."""

    def __init__(self, pins: PinDirectory, meta: Any) -> None:
        self._pins, self._meta = pins, meta
        self._filters: FilterList | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._filters is not None:
            self._filters.close()

    @cached_property
    def is_here(self) -> bool:
        """Whether this process is in the network namespace of the interfaces."""
        return netns.is_this(int(self._meta["netns_inode"]), int(self._meta["netns_cookie"]))

    def cgroup(self) -> CgroupFacts:
        """The watched one."""
        path = text_of(self._meta["cgroup"])
        try:
            return CgroupFacts(path, Path(path).stat().st_ino, is_visible=True)
        except PermissionError:  # not to be seen, which is not gone
            return CgroupFacts(path, None, is_visible=False)
        except OSError:
            return CgroupFacts(path, None, is_visible=cgroups.would_be_visible(Path(path)))

    def host_hooks(self) -> Iterator[tuple[str, HookFacts, int]]:
        """Of the hooks that are noted: kind, facts, and the cgroup that it was made for."""
        for kind, noted in zip(HOST_KINDS, self._meta["host_hooks"].tolist(), strict=False):
            program_id, link_id, cgroup_id = noted
            if program_id:
                paths = self._pins.host_link(kind), self._pins.host_program(kind)
                yield kind, _hook(program_id, link_id, *paths), cgroup_id

    def interface_hooks(self, slot: int, record: Any) -> Iterator[tuple[str, HookFacts]]:
        """Of the hooks that an attached interface's record notes."""
        for kind in kinds_of(record):
            program_id, link_id = hook_numbers(record, kind)
            paths = self._pins.link(kind, slot), self._pins.program(kind, slot)
            yield kind, _hook(program_id, link_id, *paths)

    def place(self, record: Any) -> PlaceFacts:
        """Where an interface's hooks are to be."""
        ifindex = int(record["ifindex"])
        if not self.is_here:
            return PlaceFacts(is_here=False, has_namespace=self._has_namespace())
        name = netns.name_of(ifindex)
        if name is None:
            back_as = netns.ifindex_of(text_of(record["name"]))
            return PlaceFacts(is_here=True, has_namespace=True, back_as=back_as)
        kinds = [kind for kind in kinds_of(record) if kind in TC_POINTS]
        filters = record["tc_mode"] == AttachMode.CLSACT
        return PlaceFacts(
            is_here=True,
            has_namespace=True,
            name=name,
            tcx={kind: _tcx(ifindex, kind) for kind in kinds},
            filters={kind: self._listed(ifindex, kind) for kind in kinds if filters},
        )

    def _listed(self, ifindex: int, kind: str) -> list[ListedFilter] | None:
        self._filters = self._filters or FilterList()
        try:
            return self._filters.of(ifindex, TC_POINTS[kind])
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EINVAL):  # it went just now
                return []
            return None

    def _has_namespace(self) -> bool:
        return _Namespaces.has(int(self._meta["netns_inode"]), int(self._meta["netns_cookie"]))


class _Namespaces:
    """Another network namespace is looked for in all of /proc: not with each reading."""

    _known: tuple[int, int, bool] | None = None
    _looked_at = 0.0

    @classmethod
    def has(cls, inode: int, cookie: int) -> bool:
        """Whether a mount or a process still has the network namespace."""
        is_old = time.monotonic() - cls._looked_at > _LOOK_FOR_NAMESPACE_EVERY_S
        if cls._known is None or cls._known[:2] != (inode, cookie) or is_old:
            cls._known = inode, cookie, netns.path_of(inode, cookie) is not None
            cls._looked_at = time.monotonic()
        return cls._known[2]


def kinds_of(record: Any) -> list[str]:
    """The hooks that an INTERFACE record notes."""
    kinds = ["xdp"] * bool(record["xdp_mode"] != AttachMode.OFF)
    if record["tc_mode"] != AttachMode.OFF:
        kinds += ["tc_rx"] * bool(record["tc_rx"]) + ["tc_tx"]
    return kinds


def xdp_program_of(ifindex: int) -> int | None:
    """The XDP program that an interface carries, which every user may query."""
    try:
        return xdp_program(ifindex)
    except (BpfError, MissingPrivilegeError):
        return None


def _tcx(ifindex: int, kind: str) -> tuple[int, ...] | None:
    try:
        return tcx_programs(ifindex, INTERFACE_HOOKS[kind].attach_type)
    except (BpfError, MissingPrivilegeError):
        return None


def _hook(program_id: int, link_id: int, link_path: Path, program_path: Path) -> HookFacts:
    pin, link = _link(link_path) if link_id else (Pin.THERE, None)
    if pin == Pin.MISSING:
        link = _held(link_id)
    facts = HookFacts(
        frozenset({program_id}), link_id, pin, _program_pin(program_path), link, program_path
    )
    if link is not None and link.program_id != program_id:  # --replace was killed before it noted
        return with_pinned_programs(facts)
    return facts


def with_pinned_programs(facts: HookFacts) -> HookFacts:
    """``program_ids`` with those that are pinned, where the noted one does not fit."""
    path = facts.program_path
    ids = set(facts.program_ids)
    for one in (path, path.with_name(f"{path.name}_new")):
        try:
            with Program.from_pin(str(one), read_only=True) as program:
                ids.add(program_facts(program).id)
        except (BpfError, MissingPrivilegeError):
            continue
    return replace(facts, program_ids=frozenset(ids))


def _link(path: Path) -> tuple[Pin, LinkFacts | None]:
    try:
        return Pin.THERE, pinned_link_facts(str(path))
    except MissingPrivilegeError:
        return Pin.CLOSED, None
    except BpfError as error:
        return Pin.MISSING if error.errno == errno.ENOENT else Pin.STRANGE, None


def _held(link_id: int) -> LinkFacts | None:
    try:
        link = link_by_id(link_id)
    except (BpfError, MissingPrivilegeError):
        return None
    if link is None:
        return None
    with link:
        return link.facts()


def _program_pin(path: Path) -> Pin:
    try:
        path.stat()
    except FileNotFoundError:
        return Pin.MISSING
    except OSError:
        return Pin.CLOSED
    return Pin.THERE
