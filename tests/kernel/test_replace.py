# SPDX-License-Identifier: MIT
"""Taking over a running attachment: no packet is missed, and none counts twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kernel.everyday import mostly_long
from tests.kernel.program import Program, attached
from tests.kernel.test_truth import captured_flows, counted_flows
from tests.lab import traffic
from tests.lab.counters import interface_counters
from tests.lab.lab import Lab
from trafficmon.layout import META
from trafficmon.libbpf.map import Map
from trafficmon.records import FIRST_KEY, record_of

pytestmark = pytest.mark.kernel

TIMES = 15
WAYS = {"tcx": (), "clsact": ("--tc", "clsact"), "native": ("--xdp", "native")}


@contextmanager
def _busy(lab: Lab) -> Iterator[None]:
    """Traffic both ways, of many flows, until the context is left."""
    enough = threading.Event()

    def send() -> None:
        while not enough.is_set():
            for version in (4, 6):
                traffic.udp_flows(
                    lab.client_end, lab.server_end, 200, 3, payload_bytes=300, version=version
                )
            traffic.tcp(lab.client_end, lab.server_end, up_bytes=200_000, down_bytes=200_000)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@pytest.mark.parametrize("way", mostly_long(WAYS, "tcx"))
def test_no_packet_is_missed_or_counted_twice(way: str) -> None:
    with Lab() as lab, attached(lab.server, lab.server_if, options=WAYS[way]) as program:
        before = {layer["program_id"] for layer in program.status()["interfaces"][0]["layers"]}
        with lab.capture() as capture, _busy(lab):
            for _ in range(TIMES):
                said = program.run("attach", "--replace").stdout
                assert "taken over, counters continue" in said
        after = {layer["program_id"] for layer in program.status()["interfaces"][0]["layers"]}
        (interface,) = program.rows("interfaces")
        totals = interface_counters(lab.server_end)
        counted, captured = counted_flows(program), captured_flows(capture)

    assert counted == captured
    assert len(counted) > 400
    assert interface["rx_packets"] == totals.rx.packets
    assert interface["tx_packets"] == totals.tx.packets
    assert interface["tx_bytes"] == totals.tx.bytes
    assert not (before & after) - {None}, "the programs are the old ones"


LAYERS = {
    "generic alone": ("--xdp", "generic", "--layer", "xdp"),
    "generic": ("--xdp", "generic"),
    "native alone": ("--xdp", "native", "--layer", "xdp"),
    "native": ("--xdp", "native"),
    "tc alone": ("--layer", "tc"),
    "clsact": ("--tc", "clsact"),
    "clsact behind generic": ("--tc", "clsact", "--xdp", "generic"),
}


@pytest.mark.parametrize("layers", mostly_long(LAYERS, "generic", "clsact behind generic"))
def test_what_was_counted_is_counted_after_it_too(layers: str) -> None:
    """Flows, interfaces and protocols continue in all ways of attaching, each packet once."""
    with Lab() as lab, attached(lab.server, lab.server_if, options=LAYERS[layers]) as program:
        for times in (1, 2, 3):
            traffic.ping(lab.client_end, lab.server_end, count=5)
            (flow,) = program.rows("flows")
            (interface,) = program.rows("interfaces")
            (protocol,) = (row for row in program.rows("protocols") if row["packets"])
            sent = 0 if "alone" in layers and "tc" not in layers else 5 * times
            assert (flow["rx_packets"], flow["tx_packets"]) == (5 * times, sent)
            assert interface["rx_packets"] == 5 * times
            assert interface["tx_packets"] == (sent or None)
            assert protocol["packets"] == 5 * times + sent
            if times < 3:
                program.run("attach", "--replace")


def test_another_mode_keeps_the_counters() -> None:
    with Lab() as lab, attached(lab.server, lab.server_if) as program:
        traffic.ping(lab.client_end, lab.server_end, count=5)
        refused = program.run("attach", "--iface", lab.server_if, "--xdp", "native", check=False)
        program.run("attach", "--iface", lab.server_if, "--xdp", "native", "--replace")
        traffic.ping(lab.client_end, lab.server_end, count=5)
        (row,) = program.rows("flows", "--filter", "proto icmp")
        (interface,) = program.rows("interfaces")
        layers = {row["layer"]: row for row in program.rows("layers")}

    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert (row["rx_packets"], row["tx_packets"]) == (10, 10)
    assert (interface["rx_packets"], interface["xdp_mode"]) == (10, "native")
    assert layers["xdp"]["rx_packets"] == layers["tc"]["rx_packets"] == 5


def _pretend_other_layout(program: Program) -> None:
    with Map.from_pin(str(program.pin_dir / "maps" / "meta")) as meta:
        record = record_of(meta.lookup(FIRST_KEY), META)
        record["layout_version"] = 99
        meta.update(FIRST_KEY, record.tobytes())


def test_another_record_layout_is_not_decoded() -> None:
    with Lab() as lab, attached(lab.server, lab.server_if) as program:
        traffic.ping(lab.client_end, lab.server_end, count=5)
        _pretend_other_layout(program)
        refused = [
            program.run(*command, check=False)
            for command in (("top", "flows"), ("status",), ("attach", "--iface", lab.server_if))
        ]
        taken = program.run("attach", "--iface", lab.server_if, "--replace")
        left = program.rows("flows")

    for result in refused:
        assert result.returncode == 1
        assert "layout 99" in result.stderr
        assert "--replace" in result.stderr
        assert result.stdout == ""
    assert "counters restart" in taken.stdout
    assert left == []


def test_detach_ends_an_attachment_of_another_layout() -> None:
    with Lab() as lab, attached(lab.server, lab.server_if) as program:
        _pretend_other_layout(program)
        program.run("detach")

        assert not program.pin_dir.exists()


def test_meta_begins_with_what_all_versions_can_read() -> None:
    """magic, layout version, size: a reader of any version finds them at the same place."""
    fields: Any = META.fields

    assert [fields[n][1] for n in ("magic", "layout_version", "layout_bytes")] == [0, 4, 8]
