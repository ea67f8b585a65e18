# SPDX-License-Identifier: MIT
"""Readers while packets pass on other CPUs: no row too much, none less than before."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pytest

from tests.corpus import wire
from tests.kernel.harness import Harness
from tests.kernel.senders import Senders
from trafficmon.layout import Hook

pytestmark = pytest.mark.kernel

FIRST_CLIENT, SERVICES = 20_000, 600
SECONDS = 4.0


def frame_of(flow: int) -> bytes:
    """A UDP datagram of a flow; flows have 600 services among them."""
    body = wire.transport(wire.UDP, FIRST_CLIENT + flow, 1 + flow % SERVICES, bytes(20))
    packet = wire.ipv4(body, wire.UDP, (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"))
    return wire.link(0x0800, packet) + packet


def by_flow(harness: Harness, flows: int) -> Any:
    read = harness.flows()
    packets = np.zeros(flows, np.int64)
    places = read.keys["remote_port_be"].byteswap().astype(int) - FIRST_CLIENT
    assert len(set(places.tolist())) == len(places), "a flow in two rows"
    packets[places] = read.values["rx_packets"]
    return packets


def by_service(harness: Harness) -> Any:
    read = harness.services()
    packets = np.zeros(SERVICES, np.int64)
    np.add.at(packets, read.keys["number"].astype(int) - 1, read.values["rx_packets"].astype(int))
    return packets


def folded(packets: Any) -> Any:
    """By flow to by service."""
    total = np.zeros(SERVICES, np.int64)
    np.add.at(total, np.arange(len(packets)) % SERVICES, packets)
    return total


@pytest.mark.parametrize(
    ("flow_sets", "flows", "repeat"),
    [
        (1, 3, 1),  # one flow more than places, so residents change all the time
        (2, 12, 20),
        (64, 400, 20),
        (256, 3000, 4),  # and more services than places
    ],
)
def test_rows_are_never_too_much_and_never_shrink(flow_sets: int, flows: int, repeat: int) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    frames = [frame_of(flow) for flow in range(flows)]
    with Harness(Hook.TC_RX, flow_sets=flow_sets) as harness:
        with Senders(harness.program, frames, allowed[1:] or allowed, repeat) as senders:
            readings, last, last_services = 0, np.zeros(flows, int), np.zeros(SERVICES, int)
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                done = senders.done()
                now, services = by_flow(harness, flows), by_service(harness)
                begun = senders.begun()
                assert (np.maximum(done, last) <= now).all()
                assert (now <= begun).all()
                assert (np.maximum(folded(done), last_services) <= services).all()
                assert (services <= folded(begun)).all()
                last, last_services = now, services
                readings += 1
            senders.stop()
            sent = senders.done()
        assert readings > 10
        assert sent.sum() > 10_000
        assert by_flow(harness, flows).tolist() == sent.tolist()
        assert by_service(harness).tolist() == folded(sent).tolist()
