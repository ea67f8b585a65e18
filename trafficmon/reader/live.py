# SPDX-License-Identifier: MIT
"""The pinned maps of a running attachment, read on demand."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trafficmon.errors import BpfError, DamagedError, MissingPrivilegeError, NotAttachedError
from trafficmon.hook_registry import HOST_HOOKS, HOST_KINDS
from trafficmon.hooks.check import check_hooks
from trafficmon.host import bpffs, cgroups, clock
from trafficmon.host.lock import dns_copy, dns_file
from trafficmon.layout import (
    DROP,
    DROP_KEY,
    EVENT_COUNTS,
    EVENT_KINDS,
    HOOK_COUNTERS,
    HOOKS,
    INTERFACE,
    INTERFACE_NAME,
    INTERFACE_ROWS,
    LAYER_COUNTERS,
    LAYERS,
    LEDGER,
    META,
    OWNER,
    PLACE,
    EventKind,
    InterfaceState,
)
from trafficmon.libbpf.map import Map
from trafficmon.model.flow_owners import SocketIndex
from trafficmon.model.flows import Flows
from trafficmon.model.groups import Records
from trafficmon.model.interfaces import WatchedInterface, watched
from trafficmon.model.ledger import Ledger
from trafficmon.model.owners import Owners, with_open_sockets, without_kernel
from trafficmon.model.parts import Part
from trafficmon.model.remote_names import RemoteNames
from trafficmon.model.services import Services
from trafficmon.model.verdicts import Findings
from trafficmon.pinned import open_map
from trafficmon.pins import PinDirectory, is_there
from trafficmon.reader.ahead import Looks, ReadAhead
from trafficmon.reader.flows import read_flows
from trafficmon.reader.labels import Labels
from trafficmon.reader.services import read_services
from trafficmon.reader.sockets import read_sockets
from trafficmon.records import FIRST_KEY, record_of, require_layout, text_of

if TYPE_CHECKING:
    from trafficmon.dns.book import Book


class Live:
    """Opens maps when they are first used; close() closes them.

    Once closed it refuses to read: what is read later would be of another moment.
    """

    def __init__(self, pins: PinDirectory, ahead: ReadAhead | None = None) -> None:
        self.pins = pins
        self._ahead = ahead
        self._is_closed = False
        self.read_at_s: dict[Part, float] = {}
        """See Sample."""
        self._open = ExitStack()
        self._maps: dict[str, Map] = {}
        try:
            self.meta = self._read_meta()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes all maps."""
        self._is_closed = True
        self._maps.clear()
        self._open.close()

    def map(self, name: str) -> Map:
        """A pinned map, opened for reading."""
        self._require_open()
        if name not in self._maps:
            self._maps[name] = self._open.enter_context(self._opened(name))
        return self._maps[name]

    @contextmanager
    def _timed(self, what: Part) -> Iterator[None]:
        """A large table takes seconds to read: its rows are of the middle of these, on average."""
        begun = time.monotonic()
        yield
        self.read_at_s[what] = (begun + time.monotonic()) / 2

    def _require_open(self) -> None:
        if self._is_closed:
            raise ValueError(f"the reading of {self.pins.root} is closed")

    def _opened(self, name: str) -> Map:
        """By its own pin, or, as a member of the readers' group, by the one made for that."""
        try:
            return open_map(self.pins, name, read_only=True)
        except MissingPrivilegeError:
            if not is_there(self.pins.reader(name)):
                raise
            return Map.from_pin(str(self.pins.reader(name)), read_only=True)

    def _has_links(self) -> bool:
        """Then an attach was complete once."""
        with suppress(OSError):
            return any(self.pins.parts[1].iterdir())
        return False

    def _read_meta(self) -> Any:
        try:
            complete = self.pins.is_complete()
        except PermissionError:
            raise MissingPrivilegeError(
                f"no permission to look into {self.pins.root}; run as root, or ask root to "
                "'trafficmon attach --group NAME' with a group of yours"
            ) from None
        if not complete and self._has_links():
            raise DamagedError(self.pins.map("meta"), "is missing")
        if not complete:
            raise NotAttachedError(
                f"nothing is attached (no {self.pins.root}); start with 'trafficmon attach'"
                f"{bpffs.why_unseen(self.pins.root)}"
            )
        self.pins.require_ours()
        raw = self.map("meta").lookup(FIRST_KEY)
        require_layout(raw, self.pins.root)
        return record_of(raw, META)

    @cached_property
    def _interface_records(self) -> Records:
        """INTERFACE, of the slots that have ever been used."""
        records = self.map("interfaces").read_array(INTERFACE)
        used = np.flatnonzero(records["number"])
        return records[: int(used[-1]) + 1 if len(used) else 0]

    @cached_property
    def interfaces(self) -> list[WatchedInterface]:
        """All interfaces with counters, attached or no longer."""
        return watched(self._interface_records, self.findings)

    @cached_property
    def interface_names(self) -> dict[int, str]:
        """By number: of all interfaces that flows may be of, also of those that are gone."""
        numbers, noted = self.map("interface_names").read_all(np.dtype("u4"), INTERFACE_NAME)
        names = {int(n): text_of(one["name"]) for n, one in zip(numbers, noted, strict=True)}
        return names | {interface.number: interface.name for interface in self.interfaces}

    @cached_property
    def findings(self) -> Findings:
        """Whether the hooks are still there, as the kernel says."""
        records = self._interface_records
        attached = np.flatnonzero(records["state"] == InterfaceState.ATTACHED).tolist()
        return check_hooks(self.pins, self.meta, {slot: records[slot] for slot in attached})

    def flows(self) -> Flows:
        """All flows."""
        with self._timed(Part.FLOWS):
            before = self.ledger()
            maps = self.map("flows"), self.map("flow_cache")
            flows = read_flows(*maps, self._take_looks("flows"))
        return flows._replace(lost=before.lost_flows(flows.entries))

    def services(self) -> Services:
        """All services."""
        maps = self.map("services"), self.map("service_cache")
        with self._timed(Part.SERVICES):
            return read_services(*maps, self._take_looks("services"))

    @cached_property
    def _looks(self) -> Looks | None:
        """What was read ahead; its ledger is of the time before its table."""
        return self._ahead.take() if self._ahead else None

    def _take_looks(self, table: str) -> Looks | None:
        """Once, as they are large, and the next reading is to be newer."""
        if self._ahead is None or self._ahead.table != table:
            return None
        looks, self._looks = self._looks, None
        return looks

    def hook_counters(self) -> Records:
        """HOOK_COUNTERS by [row, hook], summed over CPUs: of the slots that have ever been used."""
        rows = len(self._interface_records) * INTERFACE_ROWS
        cells = rows * HOOKS * int(self.meta["cpus"])
        with self._timed(Part.HOOK_COUNTERS):
            by_cpu = self.map("hook_counters").read_first(HOOK_COUNTERS, cells)
        return _over_cpus(by_cpu.reshape(rows, HOOKS, int(self.meta["cpus"])))

    @cached_property
    def _ledger(self) -> Ledger:
        raw = self._looks.ledger if self._looks is not None else None
        total = _over_cpus(self.map("ledger").read_array(LEDGER, raw).reshape(1, -1))[0]
        return Ledger(*(int(total[name]) for name in Ledger._fields))

    def ledger(self) -> Ledger:
        """The losses, read once: before the flows and services that it is compared with."""
        self._require_open()
        return self._ledger

    def _sum(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Records:
        return _over_cpus(self.map(name).read_array(dtype).reshape(shape))

    def layers(self) -> Records:
        """LAYER_COUNTERS by [layer], summed over CPUs."""
        return self._sum("layers", LAYER_COUNTERS, (LAYERS, -1))

    def drops(self) -> tuple[Records, Records]:
        """DROP_KEY and DROP, row by row."""
        with self._timed(Part.DROPS):
            return self.map("drops").read_all(DROP_KEY, DROP)

    def drop_place(self, number: int) -> str | None:
        """The function that a DROP_KEY's location stands for, as the kernel's programs noted it."""
        raw = self.map("drop_places").lookup(struct.pack("=Q", number))
        return None if raw is None else text_of(record_of(raw, PLACE)["name"])

    def event_counts(self) -> Records:
        """EVENT_COUNTS by [kind], summed over CPUs."""
        counts = self._sum("event_counts", EVENT_COUNTS, (EVENT_KINDS, -1))
        counts[EventKind.WRITTEN] = self.map("log_counts").read_array(EVENT_COUNTS)[0]
        return counts

    @cached_property
    def dns_book(self) -> Book | None:
        """What was learned from DNS; None where nothing was, or it is not ours to read."""
        self._require_open()
        files = (dns_file(self.pins.root), dns_copy(self.pins.root))
        if not any(path.exists() for path in files):
            return None
        from trafficmon.dns.book import Book  # noqa: PLC0415 - with SQLite, which takes its time

        book = Book.for_reading(self.pins.root, int(self.meta["attached_at_ns"]))
        return None if book is None else self._open.enter_context(book)

    @cached_property
    def remote_names(self) -> RemoteNames:
        """Names of remote addresses."""
        book = self.dns_book
        return RemoteNames.with_askers(book.addresses() if book else {}, self.owner)

    def owner(self, owner_id: int) -> Any:
        """An owner's row (OWNER) without what its open sockets have counted; None: not known."""
        with suppress(BpfError):  # a name is not worth failing for
            raw = self.map("owners").lookup(struct.pack("=Q", owner_id))
            return None if raw is None else record_of(raw, OWNER)
        return None

    def attached_ifindexes(self) -> frozenset[int]:
        """Of the interfaces that are watched now."""
        return frozenset(one.ifindex for one in self.interfaces if one.is_attached)

    def has_hook(self, kind: str) -> bool:
        """Whether a hook of the host was attached, and not detached by us."""
        self._require_open()
        return bool(self.meta["host_hooks"][HOST_KINDS.index(kind)]["program_id"])

    def has_layer(self, layer: str) -> bool:
        """Whether a layer of the host is attached, by any of its hooks."""
        return any(self.has_hook(kind) for kind, hook in HOST_HOOKS.items() if hook.layer == layer)

    @cached_property
    def sockets(self) -> Records | None:
        """SOCKET_ROW, one a socket that is open; None without the cgroup layer. Read once."""
        self._require_open()
        with self._timed(Part.SOCKETS):
            return read_sockets(self.pins)

    @cached_property
    def owners(self) -> Owners | None:
        """All owners, and what their open sockets counted; None without the cgroup layer."""
        if not self.has_hook("sockets"):
            return None
        with self._timed(Part.OWNERS):
            ids, records = self.map("owners").read_all(np.dtype("u8"), OWNER)
            entries = len(ids)
            rows = self.sockets  # after the table: see read_owners
        if not cgroups.is_root(Path(text_of(self.meta["cgroup"]))):
            ids, records = without_kernel(ids, records)
        if rows is None:
            return None
        return with_open_sockets(ids, records, rows)._replace(entries=entries)

    @cached_property
    def labels(self) -> Labels:
        """Names of processes and cgroups, as the programs have noted them."""
        return Labels(self.map("processes"), self.map("cgroup_paths"))

    @cached_property
    def socket_index(self) -> SocketIndex | None:
        """The sockets of the watched interfaces' namespace, by addresses; None without them."""
        if self.sockets is None:
            return None
        inode, cookie = int(self.meta["netns_inode"]), int(self.meta["netns_cookie"])
        return SocketIndex(self.sockets, inode, cookie)

    def jiffies_now(self) -> int:
        """What the kernel's jiffies are about now."""
        self._require_open()
        passed_ns = clock.monotonic_ns() - int(self.meta["monotonic_ns_at"])
        return int(self.meta["jiffies_at"]) + passed_ns // int(self.meta["jiffy_ns"])


def _over_cpus(cells: Records) -> Records:
    """Sums over the last axis, which is the CPUs."""
    total = np.zeros(cells.shape[:-1], cells.dtype)
    for field in cells.dtype.names or ():
        total[field] = cells[field].sum(axis=cells.ndim - 1, dtype=np.uint64)
    return total
