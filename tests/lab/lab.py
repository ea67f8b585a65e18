# SPDX-License-Identifier: MIT
"""The standard lab: client and server on a veth pair, and a bit of every traffic between them."""

from contextlib import AbstractContextManager, ExitStack
from typing import Self

from tests.lab import raw, traffic
from tests.lab.capture import BothWays, capture_both_ways
from tests.lab.namespace import Namespace
from tests.lab.veth import Endpoint, IpVersion, Link, connect
from tests.lab.vlan import Tag, qinq, vlan

_VETH_NETWORK, _VLAN_NETWORK, _QINQ_NETWORK = 1, 100, 101
_VERSIONS: tuple[IpVersion, IpVersion] = (4, 6)


class Lab:
    """Client 10.0.1.1, fd00:0:0:1::1 and server 10.0.1.2, fd00:0:0:1::2, quiet until one sends.

    Without `offloads` each frame that an interface hands over is a frame on the wire, TCP's too.
    The links and interfaces are there within the context only.
    """

    veth: Link

    def __init__(self, *, offloads: bool = False, mtu: int = 1500, queues: int = 1) -> None:
        self.client = Namespace("client")
        self.server = Namespace("server")
        self.client_if = "tmclient"
        self.server_if = "tmserver"
        self._offloads = offloads
        self._mtu = mtu
        self._queues = queues
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.client)
            stack.enter_context(self.server)
            self.veth = connect(
                self.client,
                self.server,
                names=(self.client_if, self.server_if),
                network=_VETH_NETWORK,
                offloads=self._offloads,
                mtu=self._mtu,
                queues=self._queues,
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def client_end(self) -> Endpoint:
        """The client's interface and addresses."""
        return self.veth.left

    @property
    def server_end(self) -> Endpoint:
        """The server's interface and addresses."""
        return self.veth.right

    def capture(self, *, snaplen: int = 256) -> AbstractContextManager[BothWays]:
        """Captures both directions of the server's interface: rx is what the client sends."""
        return capture_both_ways(self.server, self.server_if, snaplen=snaplen)

    def vlan(self) -> AbstractContextManager[Link]:
        """A link whose frames have one 802.1Q tag, VLAN 100."""
        return vlan(self.veth, (Tag(100),), _VLAN_NETWORK)

    def qinq(self) -> AbstractContextManager[Link]:
        """A link whose frames have two tags: 802.1ad VLAN 200, and 802.1Q VLAN 100 in it."""
        return vlan(self.veth, qinq(200, 100), _QINQ_NETWORK)


def mixed_traffic(lab: Lab) -> None:
    """A bit of everything, in three to five seconds; raises LabError when any of it failed."""
    client, server = lab.client_end, lab.server_end
    for version in _VERSIONS:
        traffic.tcp(client, server, up_bytes=500_000, down_bytes=200_000, version=version)
        traffic.tcp(
            client, server, up_bytes=100, down_bytes=300, connections=50, version=version, port=8081
        )
        traffic.udp(client, server, up_bytes=200, down_bytes=600, count=200, version=version)
        traffic.udp(
            client, server, up_bytes=4000, down_bytes=9000, count=20, version=version, port=9001
        )
        traffic.udp_flows(client, server, 500, 4, payload_bytes=100, version=version)
        traffic.ping(client, server, count=5, version=version)
        traffic.ping(client, server, count=5, payload_bytes=5000, version=version)
        _other_protocols(lab, version)
    traffic.iperf3(client, server, udp_bits_per_second=10_000_000, down=True)
    traffic.dns(client, server, ["www.example.org", "missing.example.org", "mail.example.net"])
    traffic.tcp(server, client, up_bytes=1_000, down_bytes=50_000, port=8082)
    raw.arp_broadcast(client, "10.0.1.77", 10)
    raw.arp_broadcast(server, "10.0.1.78", 5)
    with lab.vlan() as tagged, lab.qinq() as twice_tagged:
        for link in (tagged, twice_tagged):
            _tagged_traffic(link)


def _other_protocols(lab: Lab, version: IpVersion) -> None:
    """Packets whose protocol is not TCP, UDP or ICMP, both ways."""
    inner = raw.udp_in_ipv4("192.0.2.1", "192.0.2.2", 1111, 2222, b"tunnelled")
    payloads = {
        raw.EXPERIMENTAL: bytes(100),
        raw.GRE: raw.gre_payload(inner),
        raw.ESP: raw.esp_payload(0x1234, 1, bytes(range(64))),
        raw.SCTP: raw.sctp_payload(3333, 4444),
        raw.DCCP: raw.dccp_payload(5555, 6666),
    }
    for protocol, payload in payloads.items():
        raw.ip_packets(lab.client_end, lab.server_end, protocol, payload, count=6, version=version)
        raw.ip_packets(lab.server_end, lab.client_end, protocol, payload, count=3, version=version)


def _tagged_traffic(link: Link) -> None:
    for version in _VERSIONS:
        traffic.tcp(link.left, link.right, up_bytes=100_000, down_bytes=50_000, version=version)
        traffic.udp(link.left, link.right, up_bytes=3000, down_bytes=100, count=10, version=version)
    traffic.ping(link.left, link.right)
