# SPDX-License-Identifier: MIT
"""A private network namespace, quiet until someone sends, and what runs in it."""

import ctypes
import itertools
import os
import pwd
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.lab import processes
from tests.lab.processes import Process
from tests.lab.requirements import LabError, require_programs, require_root

_NETNS_DIR = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)

# Set for "all" and "default", before any interface is there: nothing is sent that no one requested.
_QUIET_IPV6 = {
    "accept_dad": "0",
    "dad_transmits": "0",
    "accept_ra": "0",
    "autoconf": "0",
    "router_solicitations": "0",
}
_SYSCTLS = {
    "net/ipv6/conf/default/addr_gen_mode": "1",  # no link-local addresses
    "net/ipv4/conf/all/rp_filter": "0",  # raw senders make their source addresses up
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/ping_group_range": "0 2147483647",  # `run(..., user=...)` may ping
}


class Namespace:
    """A network namespace `tm<label>-<pid>-<n>`, gone with all that `popen` started in it."""

    def __init__(self, label: str) -> None:
        self.name = f"tm{label}-{os.getpid()}-{next(_numbers)}"
        self.path = _NETNS_DIR / self.name
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        require_root()
        require_programs("ip", "nsenter", "setpriv")
        processes.check(processes.finish(processes.start(["ip", "netns", "add", self.name]), 10))
        try:
            self._configure()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Namespace({self.name})"

    def close(self) -> None:
        """Ends the recorded programs and removes the namespace; a second call does nothing.

        Raises LabError when something else still runs in it: that keeps the namespace alive,
        without a name.
        """
        while self._processes:
            self.end(self._processes[-1])
        if not self.path.exists():
            return
        strangers = self.pids()
        processes.check(processes.finish(processes.start(["ip", "netns", "delete", self.name]), 10))
        if strangers:
            raise LabError(f"{self.name} was removed, but these pids still run in it: {strangers}")

    def pids(self) -> list[int]:
        """The processes that are in this namespace now, whoever started them."""
        listing = processes.finish(processes.start(["ip", "netns", "pids", self.name]), 10)
        return [int(pid) for pid in processes.check(listing).stdout.split()]

    def run(
        self,
        argv: Sequence[str],
        timeout: float = 30.0,
        *,
        check: bool = True,
        user: str | int | None = None,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program in the namespace, as `user` (name or uid) if given, until it ends.

        Raises LabError when it takes longer than `timeout` seconds, or ends with another status
        than 0 and `check` is set.
        """
        process = self.popen(
            argv, user=user, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE
        )
        try:
            result = processes.finish(process, timeout, stdin)
        finally:
            self.end(process)
        return processes.check(result) if check else result

    def popen(
        self, argv: Sequence[str], *, user: str | int | None = None, stdin: int = subprocess.DEVNULL
    ) -> Process:
        """Starts a program in the namespace; it is ended with the namespace, or by `end` before.

        The pid is the program's own, as nsenter and setpriv do not fork. `ip netns exec` would hide
        bpffs and cgroups.
        """
        process = processes.start(
            ["nsenter", f"--net={self.path}", *_as_user(user), *argv], stdin=stdin
        )
        self._processes.append(process)
        return process

    def end(self, process: Process) -> None:
        """Ends a program that `popen` started, with its children, and forgets it."""
        processes.end(process)
        processes.close_pipes(process)
        self._processes.remove(process)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Puts the current thread, and what it starts, into the namespace for this context."""
        with Path("/proc/thread-self/ns/net").open("rb") as home, self.path.open("rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def enter(self) -> None:
        """Puts the current thread into the namespace for good."""
        with self.path.open("rb") as there:
            _setns(there.fileno())

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this namespace; it stays in it wherever it is used."""
        with self.inside():
            return socket.socket(family, kind, protocol)

    def _configure(self) -> None:
        with self.inside():
            for scope, (key, value) in itertools.product(("all", "default"), _QUIET_IPV6.items()):
                _write_sysctl(f"net/ipv6/conf/{scope}/{key}", value)
            for key, value in _SYSCTLS.items():
                _write_sysctl(key, value)
        self.run(["ip", "link", "set", "dev", "lo", "up"])


def _as_user(user: str | int | None) -> list[str]:
    """The prefix that runs a program as `user`: a name, with its groups, or a number, without."""
    if user is None:
        return []
    if isinstance(user, int):
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    group = str(pwd.getpwnam(user).pw_gid)
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups"]


def _setns(fd: int) -> None:
    """Moves the current thread into the network namespace `fd` (os.setns came with Python 3.12)."""
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def _write_sysctl(key: str, value: str) -> None:
    path = Path("/proc/sys") / key
    try:
        path.write_text(value, encoding="ascii")
    except OSError as error:
        raise LabError(
            f"the lab cannot set {path} to {value}: {error.strerror} (is IPv6 switched off?)"
        ) from error
