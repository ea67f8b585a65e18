# SPDX-License-Identifier: MIT
"""The raw sender: many flows as fast as packet sockets take them, to benchmark and fill tables."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tests.lab import processes
from tests.lab.requirements import LabError, require_programs
from tests.lab.veth import Endpoint, IpVersion

_SOURCE = Path(__file__).parent / "pktgen.c"
_NOBODYS_MAC = "02:ff:ff:ff:ff:ff"
_START_UP_S = 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What the interface took in `seconds` (bytes of whole frames), and what it refused."""

    packets: int
    bytes: int
    refused: int
    seconds: float

    @property
    def packets_per_second(self) -> float:
        """The mean rate of the packets that were taken."""
        return self.packets / self.seconds


class PacketGenerator:
    """A sender of raw frames, compiled by gcc into a folder that goes with the context."""

    def __enter__(self) -> Self:
        require_programs("gcc")
        self._folder = tempfile.TemporaryDirectory(prefix="tmlab-")
        self._program = Path(self._folder.name) / "pktgen"
        gcc = ["gcc", "-O2", "-Wall", "-Wextra", "-pthread", "-o", str(self._program), str(_SOURCE)]
        try:
            processes.check(processes.finish(processes.start(gcc), 60))
        except LabError:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def send(
        self,
        sender: Endpoint,
        receiver: Endpoint,
        *,
        flows: int = 1,
        packets: int | None = None,
        seconds: float | None = None,
        frame_bytes: int = 64,
        version: IpVersion = 4,
        protocol: Literal["udp", "tcp"] = "udp",
        port: int = 9,
        threads: int = 1,
        delivered: bool = False,
        bypass_tc: bool = False,
    ) -> Sent:
        """Sends either `packets` or for `seconds`, on `flows` distinct flows in rotation.

        Flow i has source port 1024 + i % 64000, and the sender's address plus i // 64000 as source.
        With several `threads` each rotates through its share of the flows. The frames go to a MAC
        address that no one has, so that the receiver's kernel puts them away right after the
        interface layers, unless `delivered`. `bypass_tc` leaves out the queueing layer of the
        sender: no tc egress program sees them, nor a capture there.
        """
        if (packets is None) == (seconds is None):
            raise LabError("give the raw sender either how many packets or how many seconds")
        argv = [str(self._program), "-i", sender.interface, "-p", str(port)]
        argv += ["-s", sender.mac, "-d", receiver.mac if delivered else _NOBODYS_MAC]
        argv += ["-S", sender.address(version), "-D", receiver.address(version)]
        argv += ["-n", str(flows), "-l", str(frame_bytes), "-j", str(threads)]
        argv += ["-c", str(packets)] if seconds is None else ["-t", str(seconds)]
        argv += ["-T"] if protocol == "tcp" else []
        argv += ["-b"] if bypass_tc else []
        return Sent(**json.loads(sender.namespace.run(argv, _START_UP_S + (seconds or 60)).stdout))
