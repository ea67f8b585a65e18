# SPDX-License-Identifier: MIT
"""The pin directory: where everything that outlives the process has its name.

maps/NAME, links/KIND_SLOT, progs/KIND_SLOT; for hooks of the whole host links/KIND, progs/KIND.
Slots and not interface names: those may have dots, which bpffs does not allow.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trafficmon.errors import MissingPrivilegeError, UsageError

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
    "blank",
    "elsewhere",
    "callers",
    "calls",
    "layers",
    "drops",
    "events",
    "dns_messages",
    "event_counts",
    "event_control",
    "interfaces",
    "interface_names",
    "meta",  # last: once it is there, all are
)
KINDS = ("xdp", "tc_rx", "tc_tx")
CALLS = ("send", "send6", "packet", "page", "receive", "receive6", "splice")
"""Functions of the kernel's by which applications move bytes: see bpf/calls.bpf.c."""

_KPROBE = ("app", "kprobes")
HOST_HOOKS = {
    "sock_create": ("cgroup", "cgroup"),
    "sock_release": ("cgroup", "cgroup"),
    "cgroup_rx": ("cgroup", "cgroup"),
    "cgroup_tx": ("cgroup", "cgroup"),
    "sockets": ("cgroup", "iterator"),
    "sockets_tcp": ("cgroup", "iterator"),
    "sockets_udp": ("cgroup", "iterator"),
    "sock_ops": ("sockops", "cgroup"),
    "tcp_read": ("app", "tracepoint"),
    "send_length": ("app", "tracepoint"),
    "receive_length": ("app", "tracepoint"),
    "inet_sendmsg": ("app", "fexit"),
    "inet6_sendmsg": ("app", "fexit"),
    "packet_sendmsg": ("app", "fexit"),
    "inet_sendpage": ("app", "fexit"),
    "inet_recvmsg": ("app", "fexit"),
    "inet6_recvmsg": ("app", "fexit"),
    **dict.fromkeys((f"called_{call}" for call in CALLS), ("app", "fexit-calls")),
    **dict.fromkeys((f"{at}_{call}" for call in CALLS for at in ("enter", "leave")), _KPROBE),
    "drop": ("drops", "tracepoint"),
}
"""Hooks that there are once on a host, by the tail of their programs' names: layer and mode."""

HOST_KINDS = tuple(HOST_HOOKS)
SOCKET_ITERATORS = ("sockets", "sockets_tcp", "sockets_udp")
"""Hooks that list sockets; the first alone, or all of them (bpf/sockets_found.bpf.c)."""


def watches_cgroup(kind: str) -> bool:
    """Whether a hook of the host hangs on the watched cgroup, or its program looks for it."""
    layer, mode = HOST_HOOKS[kind]
    return layer != "drops" and mode != "iterator"


_PROGRAM = re.compile(rf"(?:{'|'.join(KINDS)})_\d+(?:_new)?|(?:{'|'.join(HOST_KINDS)})(?:_new)?")


def chosen(option: Path | None) -> Path:
    """The directory asked for on the command line, in the environment, or the usual one.

    Without symbolic links, so that one directory has one name (and one lock).
    """
    named = option or os.environ.get(ENVIRONMENT)
    return Path(named).resolve() if named else DEFAULT


@dataclass(frozen=True)
class PinDirectory:
    """The paths below one pin directory."""

    root: Path

    @property
    def parts(self) -> tuple[Path, Path, Path]:
        """The three subdirectories."""
        return self.root / "maps", self.root / "links", self.root / "progs"

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
        """The directories, closed to others."""
        for part in (self.root, *self.parts):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)

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
        for part in (links, progs, maps, self.root):
            with suppress(FileNotFoundError, NotADirectoryError):
                inside = sorted(part.iterdir(), key=lambda pin: (pin.name != "meta", pin.name))
                yield from (p for p in inside if not (part == self.root and p in self.parts))

    def remove_empty(self) -> None:
        """The directories, those that are empty."""
        for part in (*self.parts, self.root):
            with suppress(OSError):
                part.rmdir()

    def _is_ours(self, pin: Path) -> bool:
        maps, links, progs = self.parts
        if pin.parent == maps:
            return pin.name in MAPS
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
            f"no permission to look into {path.parent}; run as root, or ask root to "
            "'trafficmon attach --group NAME' with a group of yours"
        ) from None
    return True
