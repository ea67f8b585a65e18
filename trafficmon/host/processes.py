# SPDX-License-Identifier: MIT
"""Names of processes, kept after their end."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from trafficmon.host import clock
from trafficmon.model.names import ProcessName

_KEPT = 65_536
_STATE_FIELD, _STARTED_FIELD = 3, 22  # proc_pid_stat(5)
_ENDED = (b"Z", b"X")
_LONGEST_COMMAND = 4096
_NS = 1_000_000_000
_DELETED = " (deleted)"


class ProcessNames:
    """Reads /proc once per process, which is identified by its pid and its start.

    A pid that another process has by now is not that process: its names stay what they were.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = Path(proc)
        self._known: OrderedDict[tuple[int, int], ProcessName] = OrderedDict()
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._offset_ns = clock.namespace_offset_ns("boottime")  # /proc has it added

    def name(self, pid: int, started_ns: int) -> ProcessName | None:
        """``started_ns`` after boot, 0 where not known; None if it is not known any more."""
        key = (pid, started_ns)
        state = self._state(pid, started_ns) if pid else None
        if state in _ENDED:  # a zombie has a name and nothing else
            before = self._known.get(key, ProcessName(None, None, None))
            self._keep(key, replace(before, comm=self._comm(pid), is_running=False))
        elif state is not None:
            self._keep(key, self._read(pid))
        return self._known.get(key) if state else self.remembered(pid, started_ns)

    def _keep(self, key: tuple[int, int], name: ProcessName) -> None:
        self._known[key] = name
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def keep_only(self, processes: set[tuple[int, int]]) -> None:
        """Forget all others: (pid, started_ns)."""
        if len(self._known) > len(processes):
            for key in self._known.keys() - processes:
                del self._known[key]

    def running(self) -> frozenset[int]:
        """The pids that there are now: of the others only remembered() can say anything."""
        names = (entry.name for entry in self._proc.iterdir())
        return frozenset(int(name) for name in names if name.isdecimal())

    def remembered(self, pid: int, started_ns: int) -> ProcessName | None:
        """What name() said last, without asking again."""
        known = self._known.get((pid, started_ns))
        return None if known is None else replace(known, is_running=False)

    def _state(self, pid: int, started_ns: int) -> bytes | None:
        """As in proc_pid_stat(5); None: it is not there.

        /proc has the start in ticks; a pid is not used twice in one tick.
        """
        try:
            with (self._proc / str(pid) / "stat").open("rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            return None
        ticks = int(fields[_STARTED_FIELD - _STATE_FIELD])
        is_it = started_ns == 0 or ticks == (started_ns + self._offset_ns) * self._ticks // _NS
        return fields[0] if is_it else None

    def _read(self, pid: int) -> ProcessName:
        command = self._text(pid, "cmdline").replace("\0", " ").strip()
        return ProcessName(self._comm(pid), self._exe(pid), command or None)

    def _comm(self, pid: int) -> str | None:
        return self._text(pid, "comm").removesuffix("\n") or None

    def _text(self, pid: int, name: str) -> str:
        try:
            with (self._proc / str(pid) / name).open("rb") as file:
                return file.read(_LONGEST_COMMAND).decode(errors="surrogateescape")
        except OSError:
            return ""

    def _exe(self, pid: int) -> str | None:
        link = self._proc / str(pid) / "exe"
        try:
            path = str(link.readlink())
        except OSError:
            return None
        if path.endswith(_DELETED) and not self._is_called_so(pid, link, path):
            path = path.removesuffix(_DELETED)
        return path

    def _is_called_so(self, pid: int, link: Path, path: str) -> bool:
        """The kernel adds a word to the path of what was deleted; but a file may have that name."""
        for above in ("", self._proc / str(pid) / "root"):  # it may see other mounts than we do
            with suppress(OSError):
                if Path(f"{above}{path}").samefile(link):
                    return True
        return False
