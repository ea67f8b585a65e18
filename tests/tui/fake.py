# SPDX-License-Identifier: MIT
"""What the dashboard's tests read: made-up counters that continue counting, under a fixed clock."""

from __future__ import annotations

import numpy as np

from tests.unit.sample_builder import BuiltSource, SampleBuilder, packed
from trafficmon.errors import TrafficmonError
from trafficmon.events.endpoints import Endpoints
from trafficmon.events.event import (
    UNKNOWN_OWNER,
    ConnectionEvent,
    DropEvent,
    Event,
    Owner,
)
from trafficmon.layout import AttachMode, Hook, Layer, Role, ServiceKind
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample

HOSTILE = "\x1b[31m[red]ev\u202eil[/]"
CGROUPS = {
    900_001: "/system.slice/nginx.service",
    900_002: "/system.slice/ssh.service",
    900_003: "/user.slice/user-1000.slice",
}
PACKED_IP, ETHERNET = 0x0A, 0x800


class Clock:
    """A second from one look to the next."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


class FakeSource(BuiltSource):
    """Each reading has counted on; ``error``: what the next ones end with."""

    def __init__(self) -> None:
        super().__init__(self.reading)
        self.error: TrafficmonError | None = None
        self.readings = 0
        self.attached_at_ns = 7
        self.without: set[str] = set()

    def read(self, parts: Part) -> Sample:
        if self.error is not None:
            raise self.error
        self.readings += 1
        self.build = self.reading
        return super().read(parts)

    def reading(self) -> SampleBuilder:
        fake, more = SampleBuilder(), self.readings * 1000
        fake.attached_at_ns = self.attached_at_ns
        fake.interface(0, "eth0", xdp_mode=AttachMode.XDP_NATIVE)
        fake.hooks -= self.without
        self._owners(fake, more)
        self._flows(fake, more)
        self._layers(fake)
        return fake

    def _owners(self, fake: SampleBuilder, more: int) -> None:
        fake.cgroup_labels = dict(CGROUPS)
        fake.label(1, "/usr/sbin/nginx", "nginx -g daemon")
        rows = (
            (1, 99_999_998, 0, "nginx", (9, 900 + more), (9, 90)),
            (2, 99_999_999, 0, HOSTILE[:15], (1, 10), (1, 10)),
            (3, 99_999_997, 1000, "curl", (2, 200), (2, 20 + more // 2)),
        )
        for number, pid, uid, comm, rx, tx in rows:
            fake.owner(
                number, pid=pid, uid=uid, cgroup_id=900_000 + number, comm=comm, rx=rx, tx=tx
            )
        ports = {"local_port_be": 443, "remote_port_be": 50000}
        socket = fake.socket(1, protocol=6, family=2, tcp_state=1, srtt_us=12_000 + more // 100)
        for name, number in ports.items():
            socket[name] = np.array([number], ">u2").view("=u2")[0]
        for name, address in (("local_addr", 1), ("remote_addr", 2)):
            socket[name][:4] = (PACKED_IP, 0, 0, address)
        socket["retransmits"], socket["socket"]["role"] = 2, Role.PASSIVE
        own = socket["socket"]["own"]
        own["rx_packets"], own["rx_bytes"] = 8, 800 + more
        own["tx_packets"], own["tx_bytes"] = 100, 80

    @staticmethod
    def _flows(fake: SampleBuilder, more: int) -> None:
        for remote, owner_id, octets in (
            ("10.0.0.2", 1, 5000),
            ("10.0.0.3", 2, 300),
            ("2001:db8::9", 1, 20),
        ):
            local = "10.0.0.1" if "." in remote else "2001:db8::1"
            ports, rx = (443, 50000), (10, octets + more)
            fake.flow(local, remote, ports=ports, rx=rx, tx=(5, 50), owner_id=owner_id)
        fake.service(ServiceKind.PORT, 443, protocol=6, rx=(30, 6000 + more), flows=3)

    def _layers(self, fake: SampleBuilder) -> None:
        many = 100 * self.readings
        fake.hook(Hook.XDP_RX, [many], 100 * many)
        fake.hook(Hook.TC_TX, [many // 2], 50 * many)
        for layer, packets in ((Layer.CGROUP_RX, many - 3), (Layer.CGROUP_TX, many // 2)):
            fake.layer_counters[layer]["packets"] = packets
            fake.layer_counters[layer]["bytes"] = 80 * packets
        if "drop" not in self.without:
            fake.drop(0xFFFF_0000, 5, 3 * self.readings, 300)


class FakeFeed:
    """Events that were; ``said``: what is to be said about them."""

    def __init__(self) -> None:
        self.events: list[Event] = [conn_event(), drop_event()]
        self.said = ""
        self.is_started = self.is_stopped = False

    def start(self) -> None:
        self.is_started = True

    def stop(self) -> None:
        self.is_stopped = True

    def newest(self) -> list[Event]:
        return list(self.events)

    def note(self) -> str:
        return self.said


def conn_event(comm: str = HOSTILE[:15]) -> Event:
    """A connection that was closed."""
    return ConnectionEvent(
        at_ns=1_795_255_202_000_001_000,
        event="closed",
        endpoints=Endpoints(6, False, packed("10.0.0.1"), 443, packed("10.0.0.2"), 50000),
        owner=Owner(0, "root", 99_999_998, comm, CGROUPS[900_001]),
        interface=None,
        is_rx=None,
        role="passive",
        rx_packets=8,
        rx_bytes=800,
        tx_packets=8,
        tx_bytes=80,
        app_rx_bytes=700,
        app_tx_bytes=70,
        rtt_us=12_000,
        min_rtt_us=9_000,
        retransmits=2,
        duration_s=1.5,
        reason="closed_there",
        remote_name=None,
    )


def drop_event() -> Event:
    """A packet that was dropped."""
    return DropEvent(
        at_ns=1_795_255_201_000_001_000,
        event="dropped",
        endpoints=Endpoints(6, False, packed("10.0.0.7"), 1, packed("10.0.0.1"), 2),
        owner=UNKNOWN_OWNER,
        interface="eth0",
        is_rx=None,
        reason="NO_SOCKET",
        location="tcp_v4_rcv",
        kind="loss",
        size=60,
    )
