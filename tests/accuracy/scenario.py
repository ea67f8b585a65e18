# SPDX-License-Identifier: MIT
"""What a scenario is, and how one trial of it is judged."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.accuracy.stage import Counted, Known, Stage, Witness
from tests.kernel.owned import SOCKET_COUNTS, Row

_TCP = socket.IPPROTO_TCP
_LINK_HEADER_BYTES = 14
_LEAST_SHARE = 0.999

Act = Callable[[Stage, str], AbstractContextManager[list[Known]]]


@dataclass(frozen=True)
class Scenario:
    """``act`` moves bytes under a name, and keeps its sockets open until its block ends."""

    name: str
    protocol: int
    act: Act
    are_open: bool = True  # TCP's own counters can be read when all bytes have moved
    is_local: bool = False  # both ends are watched: no wire, and nftables counts beside them
    has_sockets: bool = True  # whose packets the cgroup layer sees
    has_flows: bool = True  # on the watched interface, with an owner that can be known
    flows_while_open: bool = False  # afterwards their owner is unknown
    needs_socket: tuple[int, int, int] | None = None  # the kernel has to have


@dataclass
class Trial:
    """The findings of one run: empty lists are good."""

    known: list[Known]
    counted: Counted
    reported: Row
    second_witness: str = "—"
    wire_share: float | None = None
    complaints: list[str] = field(default_factory=list)


def is_possible(scenario: Scenario) -> bool:
    """Whether this kernel has the sockets."""
    if scenario.needs_socket is None:
        return True
    try:
        socket.socket(*scenario.needs_socket).close()
    except OSError:
        return False
    return True


def play(stage: Stage, scenario: Scenario, comm: str) -> Trial:
    """One trial under the name ``comm``."""
    stage.port += 1
    lab = stage.place.lab
    where = lab.server if scenario.is_local else lab.client
    open_sums: dict[str, tuple[int, int]] = {}
    with Witness(where, scenario.protocol, is_peer=not scenario.is_local) as witness:
        stage.witness = witness
        with scenario.act(stage, comm) as known:
            stage.settle()
            if scenario.protocol == _TCP and scenario.are_open:
                open_sums = {one.comm: _of_tcp(stage, one.comm) for one in known}
            open_share = _wire_share(stage, known, witness.counted())
        stage.settle()
        counted = witness.counted()
    trial = Trial(known, counted, _sum([_reported_by(stage, one) for one in known]))
    _judge_app(stage, trial)
    if scenario.has_sockets:
        _judge_sockets(trial)
    _judge_second_witness(trial, open_sums)
    if scenario.has_flows:
        closed_share = _wire_share(stage, known, counted)
        _judge_flows(trial, open_share if scenario.flows_while_open else closed_share)
    return trial


def _of_tcp(stage: Stage, comm: str) -> tuple[int, int]:
    """What TCP itself says that the application has taken and given."""
    rows = [row for row in stage.rows("connections", comm) if row["protocol"] == "tcp"]
    rows = [row for row in rows if row["remote_port"]]
    return sum(r["app_rx_bytes"] for r in rows), sum(r["app_tx_bytes"] for r in rows)


def _reported_by(stage: Stage, known: Known) -> Row:
    return _sum(stage.rows("processes", known.comm))


def _sum(rows: list[Row]) -> Row:
    names = (*SOCKET_COUNTS, "app_rx_bytes", "app_tx_bytes", "processes")
    return {name: sum(row.get(name, 1) or 0 for row in rows) for name in names}


def _judge_app(stage: Stage, trial: Trial) -> None:
    for known in trial.known:
        reported = _reported_by(stage, known)
        if reported["processes"] != known.processes:
            trial.complaints.append(f"{reported['processes']} processes {known.comm}")
        for name in ("app_rx_bytes", "app_tx_bytes"):
            if reported[name] != getattr(known, name):
                own = getattr(known, name)
                trial.complaints.append(
                    f"{known.comm} {name}: {reported[name]}, by its own count {own}"
                )


def _judge_sockets(trial: Trial) -> None:
    for name in SOCKET_COUNTS:
        if trial.reported[name] != getattr(trial.counted, name):
            trial.complaints.append(
                f"{name}: {trial.reported[name]}, nftables {getattr(trial.counted, name)}"
            )


def _judge_second_witness(trial: Trial, open_sums: dict[str, tuple[int, int]]) -> None:
    """Of what calls said, the other witness is TCP itself."""
    if not open_sums:
        return
    trial.second_witness = "agrees"
    for known in trial.known:
        if open_sums[known.comm] != (known.app_rx_bytes, known.app_tx_bytes):
            trial.second_witness = "differs"
            trial.complaints.append(f"{known.comm}: TCP itself says {open_sums[known.comm]}")


def _wire_share(stage: Stage, known: list[Known], counted: Counted) -> float:
    """What part of the wire's bytes has an owner, of ours."""
    rows = [row for one in known for row in stage.rows("flows", one.comm)]
    owned = sum(row["rx_bytes"] + row["tx_bytes"] for row in rows)
    packets = counted.rx_packets + counted.tx_packets
    wire = counted.rx_bytes + counted.tx_bytes + packets * _LINK_HEADER_BYTES
    return float(owned / wire) if wire else 0.0


def _judge_flows(trial: Trial, share: float) -> None:
    trial.wire_share = share
    if not _LEAST_SHARE <= share <= 1:
        trial.complaints.append(f"flows with its name have {share:.3%} of the wire's bytes")
