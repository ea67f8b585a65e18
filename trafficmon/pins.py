# SPDX-License-Identifier: MIT
"""The pin directory: where everything that outlives the process has its name.

maps/NAME, links/HOOK_SLOT, progs/HOOK_SLOT; for hooks of the whole host links/HOOK, progs/HOOK.
Slots and not interface names: those may have dots, which bpffs does not allow. With a readers'
group also readers/NAME, the maps that it may open (attachment/readers.py).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trafficmon import ownership
from trafficmon.errors import MissingPrivilegeError, UsageError
from trafficmon.hook_registry import HOST_HOOKS, INTERFACE_HOOKS

DEFAULT = Path("/sys/fs/bpf/trafficmon")
ENVIRONMENT = "TRAFFICMON_PIN_DIR"

MAPS = (
    "flows",
    "flow_cache",
    "services",
    "service_cache",
    "hook_counters",
    "ledger",
    "fragments",
    "sockets",
    "owners",
    "socket_locks",
    "processes",
    "cgroup_paths",
    "zeroes",
    "foreign_owners",
    "last_users",
    "inflight_calls",
    "layers",
    "drops",
    "drop_places",
    "events",
    "dns_messages",
    "event_counts",
    "log_counts",
    "event_control",
    "interfaces",
    "interface_names",
    "meta",  # last: once it is there, all are
)
FORMER_MAPS = ("blank", "elsewhere", "callers", "calls")
"""Names of maps that earlier record layouts had: detach and --replace take these out, too."""

FROZEN = (
    "flows",
    "flow_cache",
    "services",
    "service_cache",
    "hook_counters",
    "ledger",
    "owners",
    "processes",
    "cgroup_paths",
    "layers",
    "drops",
    "drop_places",
    "event_counts",
)
"""Maps that a readers' group is given: from then on only the kernel's programs write to them."""

COPIED = ("log_counts", "interfaces", "interface_names", "meta")
"""Maps that user space continues to write: the group is given copies."""

READERS = (*FROZEN, *COPIED)
_PROGRAM = re.compile(
    rf"(?:{'|'.join(INTERFACE_HOOKS)})_\d+(?:_new)?|(?:{'|'.join(HOST_HOOKS)})(?:_new)?"
)


def chosen(option: Path | None) -> Path:
    """The directory of the command line, of the environment, or the usual one.

    Without symbolic links, so that one directory has one name (and one lock). UsageError where
    another user's link is on the way.
    """
    named = option or os.environ.get(ENVIRONMENT)
    return ownership.resolve(Path(named)) if named else DEFAULT


@dataclass(frozen=True)
class PinDirectory:
    """The paths below one pin directory."""

    root: Path

    @property
    def parts(self) -> tuple[Path, Path, Path]:
        """The three subdirectories."""
        return self.root / "maps", self.root / "links", self.root / "progs"

    @property
    def programs(self) -> Path:
        """That of programs: its owner's alone."""
        return self.root / "progs"

    @property
    def readers(self) -> Path:
        """The fourth, which there is for a readers' group only."""
        return self.root / "readers"

    def reader(self, name: str) -> Path:
        """Of the map that members of the group open for reading."""
        return self.readers / name

    def map(self, name: str) -> Path:
        """Of a map."""
        return self.root / "maps" / name

    def link(self, kind: str, slot: int) -> Path:
        """Of a link of ``kind`` at the interface in ``slot``."""
        return self.root / "links" / f"{kind}_{slot}"

    def program(self, kind: str, slot: int) -> Path:
        """Of the program that the link runs."""
        return self.root / "progs" / f"{kind}_{slot}"

    def next_program(self, kind: str, slot: int) -> Path:
        """Of the one that is to take its place, while --replace is at it."""
        return self.root / "progs" / f"{kind}_{slot}_new"

    def host_link(self, kind: str) -> Path:
        """Of the link of a hook that there is once."""
        return self.root / "links" / kind

    def host_program(self, kind: str) -> Path:
        """Of the program that the link runs."""
        return self.root / "progs" / kind

    def make(self) -> None:
        """The directories, closed to others. NotOursError when another user was faster."""
        for parent in reversed(self.root.parents):
            if not is_there(parent):
                parent.mkdir(mode=0o755, exist_ok=True)
        for part in (self.root, *self.parts):
            part.mkdir(mode=0o700, exist_ok=True)
        self.require_ours()

    def require_ours(self) -> None:
        """NotOursError unless what is there is root's or this process's own, and stays so.

        Everything that is named in it is then what root, or we, have put there.
        """
        if not is_there(self.root):
            return
        ownership.require_ours(self.root)
        for part in (*self.parts, self.readers):
            with suppress(FileNotFoundError):
                ownership.require_plain(part)
                self._require_pins_ours(part)

    def _require_pins_ours(self, part: Path) -> None:
        """Of those that may be listed: a member of the readers' group lists none but his own."""
        with suppress(PermissionError):
            for entry, reason in ownership.foreign_entries(part):
                raise ownership.NotOursError(
                    f"{entry} cannot be trusted: {reason}; remove it, or choose another --pin-dir"
                )

    def is_complete(self) -> bool:
        """Whether an attach got as far as having all its maps."""
        return is_there(self.map("meta"))

    def exists(self) -> bool:
        """Whether there is anything, complete or not."""
        return is_there(self.root)

    def ours(self) -> list[Path]:
        """The pins that trafficmon made, links first: nothing counts into a map without a name.

        meta is the first of the maps, so that what is half removed is not complete.
        """
        return [pin for pin in self._files() if self._is_ours(pin)]

    def foreign(self) -> list[Path]:
        """What lies there and is not ours."""
        return [pin for pin in self._files() if not self._is_ours(pin)]

    def _files(self) -> Iterator[Path]:
        maps, links, progs = self.parts
        directories = (*self.parts, self.readers)
        for part in (self.readers, links, progs, maps, self.root):
            with suppress(FileNotFoundError, NotADirectoryError):
                inside = sorted(part.iterdir(), key=lambda pin: (pin.name != "meta", pin.name))
                yield from (p for p in inside if not (part == self.root and p in directories))

    def remove_empty(self) -> None:
        """The directories, those that are empty."""
        for part in (*self.parts, self.readers, self.root):
            with suppress(OSError):
                part.rmdir()

    def _is_ours(self, pin: Path) -> bool:
        maps, links, progs = self.parts
        if pin.parent == maps:
            return pin.name in (*MAPS, *FORMER_MAPS)
        if pin.parent == self.readers:
            return pin.name.removesuffix("_new") in READERS
        return pin.parent in (links, progs) and _PROGRAM.fullmatch(pin.name) is not None


def is_there(path: Path) -> bool:
    """Path.exists() for places that one may not be allowed to look into.

    What Path.exists() says then depends on the version of Python.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        if error.errno == errno.EPERM:  # kernel/bpf/inode.c, bpf_lookup()
            raise UsageError(
                f"{path}: names in a BPF file system have no dots; choose another --pin-dir"
            ) from None
        raise MissingPrivilegeError(
            f"no permission to look into {path.parent}; run as root, or have root "
            "'trafficmon attach --group NAME' with a group of yours"
        ) from None
    return True
