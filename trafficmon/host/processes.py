# SPDX-License-Identifier: MIT
"""Names of processes, kept when they have gone."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from trafficmon.host import clock

_REMEMBERED = 65_536
_STARTED_FIELD = 22  # proc_pid_stat(5)
_LONGEST_COMMAND = 4096
_NS = 1_000_000_000
_DELETED = " (deleted)"


@dataclass(frozen=True)
class ProcessName:
    """None: it may not be read, or is a thread of the kernel."""

    comm: str | None
    exe: str | None
    cmdline: str | None


class ProcessNames:
    """Asks /proc once per process, which is told by its pid and when it was started.

    A pid that another process has by now is not that process: its names stay what they were.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = Path(proc)
        self._known: OrderedDict[tuple[int, int], ProcessName] = OrderedDict()
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._offset_ns = clock.namespace_offset_ns("boottime")  # /proc has it added

    def name(self, pid: int, started_ns: int) -> ProcessName | None:
        """``started_ns`` after boot, 0 where not known; None if nobody can tell any more."""
        key = (pid, started_ns)
        if pid and self._is_there(pid, started_ns):
            self._known[key] = self._read(pid)
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._known.get(key)

    def running(self) -> frozenset[int]:
        """The pids that there are now: of the others only remembered() can say anything."""
        names = (entry.name for entry in self._proc.iterdir())
        return frozenset(int(name) for name in names if name.isdecimal())

    def remembered(self, pid: int, started_ns: int) -> ProcessName | None:
        """What name() said last, without asking again."""
        return self._known.get((pid, started_ns))

    def _is_there(self, pid: int, started_ns: int) -> bool:
        """/proc tells the start in ticks: two starts in one tick of one pid there are none."""
        try:
            with (self._proc / str(pid) / "stat").open("rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            return False
        ticks = int(fields[_STARTED_FIELD - 3])
        return started_ns == 0 or ticks == (started_ns + self._offset_ns) * self._ticks // _NS

    def _read(self, pid: int) -> ProcessName:
        command = self._text(pid, "cmdline").replace("\0", " ").strip()
        return ProcessName(
            self._text(pid, "comm").removesuffix("\n") or None, self._exe(pid), command or None
        )

    def _text(self, pid: int, name: str) -> str:
        try:
            with (self._proc / str(pid) / name).open("rb") as file:
                return file.read(_LONGEST_COMMAND).decode(errors="surrogateescape")
        except OSError:
            return ""

    def _exe(self, pid: int) -> str | None:
        try:
            path = str((self._proc / str(pid) / "exe").readlink())
        except OSError:
            return None
        return path.removesuffix(_DELETED)
