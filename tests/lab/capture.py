# SPDX-License-Identifier: MIT
"""tcpdump on an interface of a namespace, which fails rather than miss a frame."""

import re
import shutil
import signal
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.lab import flows, processes
from tests.lab.flows import Direction, Tally
from tests.lab.namespace import Namespace
from tests.lab.processes import Process
from tests.lab.requirements import LabError, require_programs

_SETTLE_STEP_S = 0.03
_SETTLED_STEPS = 5  # together longer than TCP delays an acknowledgement


class Capture:
    """The frames of one direction on one interface, from entering the context until leaving it.

    Waits for tcpdump to listen, and at the end for it to have written all that it got (at most
    `settle_s` seconds while there is traffic); raises LabError if the kernel dropped frames on
    their way to it. What is captured is what the interface hands over: below the tc layer on the
    way out, above the driver on the way in; with offloads that means super-packets, one frame each.
    """

    def __init__(
        self,
        namespace: Namespace,
        interface: str,
        direction: Direction,
        *,
        snaplen: int = 256,
        buffer_kib: int = 65536,
        settle_s: float = 3.0,
    ) -> None:
        self.namespace = namespace
        self.interface = interface
        self.direction: Direction = direction
        self.packets: int | None = None
        self._snaplen = snaplen
        self._buffer_kib = buffer_kib
        self._settle_s = settle_s
        self._process: Process | None = None
        # The file outlives the context, to be read; it goes with this object.
        folder = tempfile.mkdtemp(prefix="tmlab-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = Path(folder) / f"{interface}-{direction}.pcap"

    def __enter__(self) -> Self:
        require_programs("tcpdump")
        argv = ["tcpdump", "-i", self.interface, "-Q", self.direction, "-w", str(self.path)]
        argv += ["-n", "-p", "-U", "--immediate-mode", "-Z", "root"]
        argv += ["-s", str(self._snaplen), "-B", str(self._buffer_kib)]
        self._process = self.namespace.popen(argv)
        processes.read_until(self._process, self._process.stderr, "listening on ")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        elif self._process is not None:
            self.namespace.end(self._process)
            self._process = None

    def stop(self) -> None:
        """Ends the capture; raises LabError if frames are missing in it."""
        process, self._process = self._process, None
        if process is None:
            raise LabError("this capture is not running")
        self._settle(process)
        process.send_signal(signal.SIGINT)
        try:
            said = processes.check(processes.finish(process, 10)).stderr
        finally:
            self.namespace.end(process)
        self.packets = _said_number(said, "packets? captured")
        dropped = _said_number(said, "packets? dropped by kernel")
        if dropped:
            raise LabError(
                f"tcpdump on {self.interface} missed {dropped} frames, and got {self.packets}"
            )

    def tally(self) -> Tally:
        """Sums up by flow; raises LabError unless tshark finds all frames that tcpdump wrote."""
        if self.packets is None:
            raise LabError("the capture is still running: leave its context first")
        if self.packets == 0:
            return Tally()
        found = flows.tally(self.path, self.direction)
        if found.total.packets != self.packets:
            raise LabError(
                f"tcpdump wrote {self.packets} frames, tshark found {found.total.packets}"
            )
        return found

    def _settle(self, process: Process) -> None:
        """Returns once tcpdump sleeps over a file that does not grow: its buffer is empty then."""
        deadline = time.monotonic() + self._settle_s
        quiet_steps, before = 0, -1
        while quiet_steps < _SETTLED_STEPS and time.monotonic() < deadline:
            time.sleep(_SETTLE_STEP_S)
            size = self.path.stat().st_size
            is_quiet = size == before and processes.is_sleeping(process)
            quiet_steps, before = (quiet_steps + 1 if is_quiet else 0), size


class BothWays(NamedTuple):
    """The captures of both directions of an interface."""

    rx: Capture
    tx: Capture


@contextmanager
def capture_both_ways(
    namespace: Namespace, interface: str, *, snaplen: int = 256
) -> Iterator[BothWays]:
    """Captures what comes in (`rx`) and what goes out (`tx`) until the context is left."""
    with (
        Capture(namespace, interface, "in", snaplen=snaplen) as rx,
        Capture(namespace, interface, "out", snaplen=snaplen) as tx,
    ):
        yield BothWays(rx, tx)


def _said_number(said: str, what: str) -> int:
    match = re.search(rf"(\d+) {what}", said)
    if match is None:
        raise LabError(f"tcpdump did not say how many {what}: {said!r}")
    return int(match[1])
