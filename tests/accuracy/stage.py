# SPDX-License-Identifier: MIT
"""Where scenarios play: a watched server, a client with nftables, and what each has counted."""

from __future__ import annotations

import subprocess
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from tests.kernel.owned import Place, Row
from tests.lab import nftables
from tests.lab.namespace import Namespace
from tests.lab.processes import Process, read_until
from tests.lab.requirements import LabError
from tests.waiting import wait_until

_MOVER_SOURCE = Path(__file__).with_name("mover.c")
_FLOOD_SOURCE = Path(__file__).parents[1] / "bench" / "flood.c"
_SETTLE_S = 0.25  # longer than TCP delays an answer (TCP_DELACK_MAX)
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Known:
    """What one process, or several of one name, has given and taken by its own count."""

    comm: str
    app_rx_bytes: int
    app_tx_bytes: int
    processes: int = 1


@dataclass(frozen=True)
class Counted:
    """IP packets and their bytes, as seen by the watched side."""

    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int


class Stage:
    """A place, and programs that move bytes in unusual ways."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.witness: Witness | None = None
        self.port = 5000  # another for each trial, so that no two share a flow
        self._folder = folder
        for source in (_MOVER_SOURCE, _FLOOD_SOURCE):
            program = folder / source.stem
            subprocess.run(["cc", "-O2", "-o", program, source], check=True)

    def new_peer(self) -> str:
        """An address of the client's that no flow has had: those without ports have one flow."""
        lab, address = self.place.lab, f"10.0.1.{self.port % 200 + 50}"
        lab.client.run(["ip", "address", "replace", f"{address}/32", "dev", lab.client_if])
        neighbour = [address, "lladdr", lab.client_end.mac, "dev", lab.server_if]
        lab.server.run(["ip", "neighbour", "replace", *neighbour])
        return address

    def program(self, namespace: Namespace, comm: str, argv: list[str]) -> Process:
        """Start ``argv`` in the watched cgroup under the name ``comm``."""
        path = Path(argv[0]) if argv[0].startswith("/") else self._folder / argv[0]
        link = self._folder / comm
        link.unlink(missing_ok=True)
        link.symlink_to(path)
        join = f'echo $$ > {self.place.cgroup}/cgroup.procs && exec "$0" "$@"'
        command = ["sh", "-c", join, str(link), *argv[1:]]
        return namespace.popen(command, stdin=subprocess.PIPE)

    def rows(self, table: str, comm: str) -> list[Row]:
        """The rows of ``comm``."""
        return self.place.program.rows(table, "--filter", f"comm {comm}")

    def settle(self) -> None:
        """Until nothing moves any more."""
        wait_until(self._is_at_rest, _PATIENCE_S, step_s=0)

    def _is_at_rest(self) -> bool:
        before = self._layer_packets()
        self.pause()
        return self._layer_packets() == before

    def _layer_packets(self) -> list[tuple[int, int]]:
        rows = self.place.program.rows("layers")
        return [(row["rx_packets"], row["tx_packets"]) for row in rows]

    @staticmethod
    def pause() -> None:
        """Long enough for an answer that TCP had put off."""
        time.sleep(_SETTLE_S)


def said(process: Process) -> int:
    """The number that a program prints on a line of its own."""
    line = process.stdout.readline() if process.stdout else ""
    if not line.strip().isdigit():
        errors = process.stderr.read() if process.stderr else ""
        raise LabError(f"a number was expected, not {line!r}; {errors}")
    return int(line)


def begin(process: Process) -> None:
    """Start it, once it says that it is ready."""
    read_until(process, process.stdout, "ready\n")
    if process.stdin:
        process.stdin.write("\n")
        process.stdin.flush()


class Witness:
    """nftables' count of an IP protocol in ``namespace``.

    ``is_peer``: what comes in there is what the watched side has sent.
    """

    def __init__(self, namespace: Namespace, protocol: int, *, is_peer: bool) -> None:
        self._namespace, self._is_peer = namespace, is_peer
        self._match = f"meta l4proto {protocol}"
        self._before = Counted(0, 0, 0, 0)

    def __enter__(self) -> Self:
        nftables.count_local(self._namespace, self._match)
        return self

    def __exit__(self, *_: object) -> None:
        nftables.stop_counting(self._namespace)

    def restart(self) -> None:
        """What has passed so far is not to count."""
        self._before = self._read()

    def counted(self) -> Counted:
        """What has passed since."""
        now, before = astuple(self._read()), astuple(self._before)
        return Counted(*(late - early for late, early in zip(now, before, strict=True)))

    def _read(self) -> Counted:
        arrived, left = nftables.counted_local(self._namespace)
        rx, tx = (left, arrived) if self._is_peer else (arrived, left)
        return Counted(*rx, *tx)
