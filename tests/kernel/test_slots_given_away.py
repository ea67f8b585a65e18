# SPDX-License-Identifier: MIT
"""More interfaces, one after the other, than there are slots for: as on a host of containers."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tests.kernel.attached import (
    WAYS,
    attach,
    interface_row,
    packets,
    refusal,
    run_patched,
    send,
)
from tests.kernel.everyday import mostly_long
from tests.kernel.program import Program
from tests.lab.counters import interface_counters
from tests.lab.lab import Lab
from tests.lab.veth import Link, connect
from trafficmon.layout import Hook
from trafficmon.pins import PinDirectory
from trafficmon.reader.live import Live
from trafficmon.sources.pinned import PinnedSource
from trafficmon.tables.catalogue import parts_of
from trafficmon.tables.flows import flow_table
from trafficmon.tables.hosts import host_table
from trafficmon.tables.layers import layer_table
from trafficmon.tables.services import protocol_table
from trafficmon.tables.table import Table

pytestmark = pytest.mark.kernel

SERVER = "tmserver"
SLOTS = 3
COMING = 6
PINGS = 2
_FEW_SLOTS = f"""
from trafficmon.attachment import store
store._FEWEST_INTERFACES = store._MOST_INTERFACES = {SLOTS}
"""
WAY = pytest.mark.parametrize("way", list(WAYS))


def attach_first(program: Program, *interfaces: str, options: tuple[str, ...] = ()) -> None:
    named = [part for name in interfaces for part in ("--iface", name)]
    done = run_patched(program, _FEW_SLOTS, "attach", *named, *options)
    assert done.returncode == 0, done.stderr


def come(lab: Lab, number: int) -> Link:
    """A link whose server's end is called tmgone<number>; its addresses are always the same."""
    names = (f"tmcoming{number}", gone(number))
    return connect(lab.client, lab.server, names=names, network=2)


def gone(number: int) -> str:
    return f"tmgone{number}"


def go(lab: Lab, link: Link) -> None:
    lab.server.run(["ip", "link", "delete", link.right.interface])


def ping(lab: Lab, link: Link) -> None:
    """PINGS echo requests and as many replies."""
    lab.client.run(["ping", "-q", "-c", str(PINGS), "-i", "0.01", link.right.ipv4])


def kernels_count(link: Link) -> int:
    """Packets in both directions by the kernel's own statistics."""
    counted = interface_counters(link.right)
    return counted.rx.packets + counted.tx.packets


def sums(program: Program) -> dict[str, int]:
    """Packets by everything that sums over interfaces."""
    pins = PinDirectory(program.pin_dir)
    tables = {"protocols": protocol_table, "hosts": host_table, "flows": flow_table}
    with PinnedSource(pins) as source:
        sample = source.read(parts_of(*tables, "layers"))
    by_table = {name: int(_column(make(sample), "packets").sum()) for name, make in tables.items()}
    layers = layer_table(sample)
    (tc,) = (row for row in map(layers.record, range(layers.length)) if row["layer"] == "tc")
    return {**by_table, "layers": (tc["rx_packets"] or 0) + tc["tx_packets"]}


def _column(table: Table, name: str) -> Any:
    return table.sort_keys[name]()


@pytest.mark.parametrize("way", mostly_long(["tcx", "clsact"], "tcx"))
def test_sums_keep_all_that_interfaces_have_counted_that_are_gone(
    bare: tuple[Lab, Program], way: str
) -> None:
    lab, program = bare
    attach_first(program, SERVER, options=WAYS[way])
    seen = 0
    for number in range(COMING):
        link = come(lab, number)
        more = ("--replace",) if number % 3 == 2 else ()
        attach(program, gone(number), options=(*WAYS[way], *more))
        assert packets(program, gone(number)) == (0, 0)
        ping(lab, link)
        seen += kernels_count(link)
        assert seen == (number + 1) * 2 * PINGS
        assert sums(program) == dict.fromkeys(("protocols", "hosts", "flows", "layers"), seen)
        row = interface_row(program, gone(number))
        assert (row["rx_packets"], row["tx_packets"]) == (PINGS, PINGS)
        assert (row["icmp_packets"], row["ipv4_packets"]) == (2 * PINGS, 2 * PINGS)
        assert sum(row["packet_size"].values()) == 2 * PINGS
        go(lab, link)

    rows = program.rows("interfaces")
    assert len(rows) == SLOTS
    assert {row["interface"] for row in rows} == {SERVER, gone(COMING - 1), gone(COMING - 2)}
    flows = {row["interface"]: row["rx_packets"] for row in program.rows("flows")}
    assert flows == {gone(number): PINGS for number in range(COMING)}
    (noted,) = program.run("status", check=False).stderr.splitlines()
    assert f"{gone(COMING - 2)}, {gone(COMING - 1)} were removed" in noted
    assert "their counts stay in the totals" in noted
    for part in ("links", "progs"):
        pins = {pin.name.rpartition("_")[2] for pin in (program.pin_dir / part).iterdir()}
        assert pins <= {str(slot) for slot in range(SLOTS)}


@pytest.mark.long
def test_readers_see_sums_grow_while_slots_are_given_away(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    attach_first(program, SERVER)
    send(lab, 5)
    readings: list[tuple[int, int]] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            with Live(PinDirectory(program.pin_dir)) as live:
                counted = live.hook_counters()[:, [Hook.TC_RX, Hook.TC_TX]]["packets_by_size"]
                services = live.services().values
                readings.append((int(counted.sum()), _packets(services)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(COMING):
            link = come(lab, number)
            attach(program, gone(number))
            ping(lab, link)
            go(lab, link)
    finally:
        is_over.set()
        reader.join()
    assert len(readings) > COMING
    assert readings == sorted(readings)
    total = 5 + COMING * 2 * PINGS
    assert readings[-1] == (total, total)


def _packets(values: Any) -> int:
    return int(np.sum(values["rx_packets"] + values["tx_packets"]))


def test_living_interfaces_keep_their_slots_and_one_more_gets_the_remedy(
    bare: tuple[Lab, Program],
) -> None:
    lab, program = bare
    attach_first(program, SERVER)
    for number in range(SLOTS - 1):
        come(lab, number)
        attach(program, gone(number))
    one_more = connect(lab.client, lab.server, names=("tmmore", "tmonemore"), network=3)
    refused = program.run("attach", "--iface", "tmonemore", check=False)
    said = refusal(refused, 1)
    assert f"all {SLOTS} places for interfaces are taken" in said
    assert "'trafficmon detach --iface …' makes room" in said
    assert {row["interface"] for row in program.rows("interfaces")} == {SERVER, gone(0), gone(1)}
    assert program.run("status").stderr == ""

    send(lab, 4)
    program.run("detach", "--iface", gone(0))
    attach(program, "tmonemore")
    ping(lab, one_more)
    assert packets(program, "tmonemore") == (PINGS, PINGS)
    assert packets(program, SERVER) == (4, 0)


def test_one_that_is_back_before_its_slot_was_needed_counts_on(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    attach_first(program, SERVER)
    link = come(lab, 0)
    attach(program, gone(0))
    ping(lab, link)
    go(lab, link)
    link = come(lab, 0)
    attach(program, gone(0))
    ping(lab, link)
    assert packets(program, gone(0)) == (2 * PINGS, 2 * PINGS)
    (flow,) = program.rows("flows")
    assert (flow["rx_packets"], flow["interface"]) == (2 * PINGS, gone(0))


def test_a_slot_that_counted_outside_of_the_sums_is_given_to_one_inside(
    bare: tuple[Lab, Program],
) -> None:
    """And the other way round: each has a row of counters of its own."""
    lab, program = bare
    server = lab.server
    attach_first(program, SERVER)
    for number in range(SLOTS + 1):
        name = f"tmupper{number}"
        server.run(["ip", "link", "add", name, "link", SERVER, "type", "macvlan"])
        server.run(["ip", "link", "set", name, "up", "arp", "off"])
        attach(program, name)
        send(lab, 3)  # broadcast: SERVER and the one above see it
        assert packets(program, name)[0] == 3
        server.run(["ip", "link", "delete", name])
    seen = sums(program)["layers"]
    assert seen == packets(program, SERVER)[0] == 3 * (SLOTS + 1)
    for number in range(SLOTS):
        link = come(lab, number)
        attach(program, gone(number))
        ping(lab, link)
        seen += 2 * PINGS
        assert sums(program)["layers"] == seen
        go(lab, link)
