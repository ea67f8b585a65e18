# SPDX-License-Identifier: MIT
"""The lab's self-test: what its captures say is what was sent, and nothing is left."""

import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from tests.kernel.everyday import mostly_long
from tests.lab import processes, raw, traffic
from tests.lab.capture import Capture, capture_both_ways
from tests.lab.counters import interface_counters
from tests.lab.demo import run_background_traffic
from tests.lab.flows import Count, FlowKey, dissect
from tests.lab.lab import Lab, mixed_traffic
from tests.lab.namespace import Namespace
from tests.lab.pktgen import PacketGenerator
from tests.lab.requirements import LabError
from tests.lab.veth import IpVersion, Link
from tests.waiting import wait_until

pytestmark = pytest.mark.kernel

ETHERNET, UDP_HEADER = 14, 8
IP_HEADER: dict[IpVersion, int] = {4: 20, 6: 40}
FRAGMENT_HEADER: dict[IpVersion, int] = {4: 0, 6: 8}
VERSIONS = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def generator() -> Iterator[PacketGenerator]:
    with PacketGenerator() as made:
        yield made


def flows_on_port(captured: dict[FlowKey, Count], local_port: int | None) -> list[Count]:
    return [count for key, count in captured.items() if key.local_port == local_port]


def lab_leftovers() -> set[str]:
    """Namespaces and temporary folders of this process's labs."""
    namespaces = {path.name for path in Path("/run/netns").glob(f"tm*-{os.getpid()}-*")}
    return namespaces | {path.name for path in Path(tempfile.gettempdir()).glob("tmlab-*")}


class TestExactness:
    @VERSIONS
    def test_udp_both_ways_is_counted_to_the_byte(self, lab: Lab, version: IpVersion) -> None:
        with lab.capture() as captured:
            traffic.udp(
                lab.client_end,
                lab.server_end,
                up_bytes=200,
                down_bytes=601,
                count=150,
                version=version,
            )
        headers = ETHERNET + IP_HEADER[version] + UDP_HEADER
        rx, tx = captured.rx.tally(), captured.tx.tally()
        assert list(rx.flows.values()) == [Count(150, 150 * (headers + 200))]
        assert list(tx.flows.values()) == [Count(150, 150 * (headers + 601))]
        assert rx.flows.keys() == tx.flows.keys()
        (key,) = rx.flows
        assert (key.version, key.protocol, key.local_port) == (version, 17, 9000)
        assert key.local_addr == lab.server_end.address(version)
        assert key.remote_addr == lab.client_end.address(version)
        assert key.remote_port is not None
        assert (rx.non_ip, tx.non_ip) == (Count(0, 0), Count(0, 0))

    @VERSIONS
    def test_fragments_belong_to_the_flow_of_their_first(
        self, lab: Lab, version: IpVersion
    ) -> None:
        with lab.capture() as captured:
            traffic.udp(
                lab.client_end, lab.server_end, up_bytes=4000, count=7, version=version, port=9001
            )
        per_frame = ETHERNET + IP_HEADER[version] + FRAGMENT_HEADER[version]
        sizes = 3 * per_frame + UDP_HEADER + 4000
        flows = captured.rx.tally().flows
        assert flows_on_port(flows, 9001) == [Count(7 * 3, 7 * sizes)]
        assert len(flows) == 1

    @VERSIONS
    def test_ping_with_payload(self, lab: Lab, version: IpVersion) -> None:
        with lab.capture() as captured:
            traffic.ping(
                lab.client_end, lab.server_end, count=4, payload_bytes=300, version=version
            )
        expected = [Count(4, 4 * (ETHERNET + IP_HEADER[version] + 8 + 300))]
        for one in captured:
            assert list(one.tally().flows.values()) == expected
            assert {key.protocol for key in one.tally().flows} == {1 if version == 4 else 58}

    @VERSIONS
    def test_every_tcp_connection_is_a_flow(self, lab: Lab, version: IpVersion) -> None:
        with lab.capture() as captured:
            traffic.tcp(
                lab.client_end,
                lab.server_end,
                up_bytes=100,
                down_bytes=300,
                connections=40,
                version=version,
            )
        for one in captured:
            flows = one.tally().flows
            assert len(flows) == len(flows_on_port(flows, 8080)) == 40
        payload = [int(row[0] or 0) for row in dissect(captured.rx.path, ["tcp.len"])]
        assert sum(payload) == 40 * 100

    def test_many_udp_flows(self, lab: Lab) -> None:
        with lab.capture() as captured:
            traffic.udp_flows(lab.client_end, lab.server_end, 1234, 3, payload_bytes=50)
        flows = captured.rx.tally().flows
        assert len(flows) == 1234
        assert set(flows.values()) == {Count(3, 3 * (ETHERNET + 20 + UDP_HEADER + 50))}

    @pytest.mark.parametrize("offloads", mostly_long([False, True], True))
    def test_mixed_traffic_is_what_the_interfaces_counted(self, *, offloads: bool) -> None:
        with Lab(offloads=offloads) as mixed:
            with mixed.capture() as captured:
                before = time.monotonic()
                mixed_traffic(mixed)
                assert time.monotonic() - before < 20
            rx, tx = captured.rx.tally(), captured.tx.tally()
            assert (rx.total, tx.total) == interface_counters(mixed.server_end)
            assert {(key.version, key.protocol) for key in rx.flows} == {
                (version, protocol)
                for version in (4, 6)
                for protocol in (6, 17, 33, 47, 50, 132, 253, 1 if version == 4 else 58)
            }
            assert rx.non_ip == Count(10, 600)
            assert tx.non_ip == Count(5, 300)
            assert not flows_on_port({k: v for k, v in rx.flows.items() if k.protocol == 17}, None)

    def test_frames_fit_the_wire_unless_offloads_are_on(self) -> None:
        longest = {}
        for offloads in (False, True):
            with Lab(offloads=offloads) as made:
                with made.capture() as captured:
                    traffic.tcp(made.client_end, made.server_end, up_bytes=3_000_000)
                lengths = dissect(captured.rx.path, ["frame.len"])
                longest[offloads] = max(int(row[0]) for row in lengths)
        assert longest[False] == ETHERNET + 1500
        assert longest[True] > 10_000


class TestRawSenders:
    @VERSIONS
    @pytest.mark.parametrize("protocol", ["udp", "tcp"])
    def test_generator_rotates_through_its_flows(
        self, lab: Lab, generator: PacketGenerator, version: IpVersion, protocol: str
    ) -> None:
        assert protocol in {"udp", "tcp"}
        with lab.capture() as captured:
            sent = generator.send(
                lab.client_end,
                lab.server_end,
                flows=300,
                packets=900,
                frame_bytes=90,
                version=version,
                protocol="udp" if protocol == "udp" else "tcp",
            )
        assert (sent.packets, sent.bytes, sent.refused) == (900, 900 * 90, 0)
        flows = captured.rx.tally().flows
        assert len(flows) == 300
        assert set(flows.values()) == {Count(3, 3 * 90)}
        assert captured.tx.tally().total == Count(0, 0)

    def test_generator_continues_to_further_addresses(
        self, lab: Lab, generator: PacketGenerator
    ) -> None:
        with lab.capture() as captured:
            generator.send(lab.client_end, lab.server_end, flows=64_002, packets=64_002, threads=2)
        flows = captured.rx.tally().flows
        assert len(flows) == 64_002
        assert Counter(key.remote_addr for key in flows) == {"10.0.1.1": 64_000, "10.0.1.2": 2}

    @VERSIONS
    def test_generated_checksums_are_right(
        self, lab: Lab, generator: PacketGenerator, version: IpVersion
    ) -> None:
        with lab.capture() as captured:
            generator.send(
                lab.client_end,
                lab.server_end,
                flows=20,
                packets=20,
                frame_bytes=91,
                version=version,
                protocol="tcp",
                delivered=True,
            )
        resets = dissect(captured.tx.path, ["tcp.flags.reset"], "tcp.flags.reset == 1")
        assert len(list(resets)) == 20  # the server's TCP answers what has a right checksum only

    def test_arp_broadcasts_are_no_flow(self, lab: Lab) -> None:
        with lab.capture() as captured:
            raw.arp_broadcast(lab.client_end, "10.0.1.200", 7)
        found = captured.rx.tally()
        assert (found.flows, found.non_ip) == ({}, Count(7, 7 * 60))
        assert captured.tx.tally().total == Count(0, 0)

    @VERSIONS
    @pytest.mark.parametrize(
        ("protocol", "payload", "ports"),
        [
            (raw.EXPERIMENTAL, bytes(77), (None, None)),
            (raw.GRE, raw.gre_payload(bytes(40)), (None, None)),
            (raw.ESP, raw.esp_payload(1, 2, bytes(40)), (None, None)),
            (raw.SCTP, raw.sctp_payload(3333, 4444), (4444, 3333)),
            (raw.DCCP, raw.dccp_payload(5555, 6666), (6666, 5555)),
        ],
    )
    def test_other_protocols(
        self,
        lab: Lab,
        version: IpVersion,
        protocol: int,
        payload: bytes,
        ports: tuple[int | None, int | None],
    ) -> None:
        client, server = lab.client_end, lab.server_end
        with lab.capture() as captured:
            raw.ip_packets(client, server, protocol, payload, count=5, version=version)
        size = ETHERNET + IP_HEADER[version] + len(payload)
        addresses = server.address(version), client.address(version)
        key = FlowKey(version, protocol, addresses[0], ports[0], addresses[1], ports[1])
        assert captured.rx.tally().flows == {key: Count(5, 5 * size)}
        assert captured.tx.tally().total == Count(0, 0)


class TestVlan:
    @pytest.mark.parametrize(
        ("make", "tags"),
        [
            pytest.param(Lab.vlan, [("100", "")], id="802.1Q"),
            pytest.param(Lab.qinq, [("100", "200")], id="QinQ"),
        ],
    )
    @pytest.mark.parametrize("offloads", [False, True])
    def test_frames_are_tagged_on_the_wire(
        self,
        *,
        make: Callable[[Lab], AbstractContextManager[Link]],
        tags: list[tuple[str, str]],
        offloads: bool,
    ) -> None:
        tag_bytes = 4 * sum(bool(vid) for vid in tags[0])
        with Lab(offloads=offloads) as made, make(made) as link:
            assert link.kind in {"8021q", "gateway"}
            with made.capture() as captured:
                traffic.udp(link.left, link.right, up_bytes=200, down_bytes=300, count=20)
                traffic.tcp(link.left, link.right, up_bytes=200_000, down_bytes=100_000, version=6)
                traffic.ping(link.left, link.right, payload_bytes=3000)
            for one, payload in zip(captured, (200, 300), strict=True):
                seen = dissect(one.path, ["vlan.id", "ieee8021ad.id"])
                assert {(row[0], row[1]) for row in seen} == set(tags)
                flows = one.tally().flows
                size = ETHERNET + tag_bytes + 20 + UDP_HEADER + payload
                udp = [count for key, count in flows.items() if key.protocol == 17]
                assert udp == [Count(20, 20 * size)]
                assert len(flows) == 3
                assert {key.local_addr for key in flows} == {link.right.ipv4, link.right.ipv6}
            assert interface_counters(made.server_end).rx == captured.rx.tally().total

    def test_a_dead_gateway_is_an_error(self, lab: Lab) -> None:
        def kill_the_gateway() -> None:
            with lab.vlan() as link:
                if link.kind == "8021q":
                    pytest.skip("this kernel has 8021q: there is no gateway that could die")
                (gateway,) = lab.client.pids()
                os.kill(gateway, signal.SIGKILL)
                wait_until(lambda: not processes.is_running(gateway))

        with pytest.raises(LabError, match="ended too early"):
            kill_the_gateway()


class TestQuiet:
    def test_nothing_is_sent_for_two_seconds(self) -> None:
        with Lab() as made, made.vlan() as link:
            ends = (made.client_end, made.server_end, link.left, link.right)
            with ExitStack() as stack:
                captures = [
                    capture
                    for end in ends
                    for capture in stack.enter_context(
                        capture_both_ways(end.namespace, end.interface)
                    )
                ]
                time.sleep(2)
            assert [capture.packets for capture in captures] == [0] * 8
            for end in ends:
                assert interface_counters(end) == (Count(0, 0), Count(0, 0))


class TestCapture:
    def test_missed_frames_are_an_error(self, lab: Lab, generator: PacketGenerator) -> None:
        def overrun() -> None:
            before = set(lab.server.pids())
            with Capture(lab.server, lab.server_if, "in", buffer_kib=64):
                (tcpdump,) = set(lab.server.pids()) - before
                os.kill(tcpdump, signal.SIGSTOP)
                generator.send(lab.client_end, lab.server_end, packets=5_000)
                os.kill(tcpdump, signal.SIGCONT)

        with pytest.raises(LabError, match=r"missed \d+ frames"):
            overrun()

    def test_a_missing_interface_is_an_error(self, lab: Lab) -> None:
        with pytest.raises(LabError, match="No such device"), Capture(lab.server, "nope", "in"):
            pass

    def test_no_tally_before_the_end(self, lab: Lab) -> None:
        with (
            Capture(lab.server, lab.server_if, "in") as capture,
            pytest.raises(LabError, match="still running"),
        ):
            capture.tally()


class TestCleanUp:
    def test_nothing_is_left(self) -> None:
        with Lab() as made, made.vlan(), made.capture() as captured:
            made.client.popen(["sh", "-c", "sleep 60 & sleep 60"])
            pids = made.client.pids() + made.server.pids()
            assert len(pids) >= 5
            assert {made.client.name, made.server.name} <= lab_leftovers()
        del captured
        assert not {made.client.name, made.server.name} & lab_leftovers()
        assert not [pid for pid in pids if processes.is_running(pid)]

    def test_nothing_is_left_after_an_exception(self) -> None:
        made = Lab()
        pids = []

        def break_off() -> None:
            with made, made.qinq(), made.capture():
                made.server.popen(["sh", "-c", "trap '' TERM; sleep 60 & sleep 60"])
                pids.extend(made.client.pids() + made.server.pids())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            break_off()
        assert len(pids) >= 5
        assert not {made.client.name, made.server.name} & lab_leftovers()
        assert not [pid for pid in pids if processes.is_running(pid)]

    def test_nothing_is_left_when_the_lab_cannot_be_made(self) -> None:
        made = Lab(mtu=7)
        with pytest.raises(LabError, match="mtu"):
            made.__enter__()
        assert not {made.client.name, made.server.name} & lab_leftovers()

    def test_a_stranger_in_the_namespace_is_named(self) -> None:
        namespace = Namespace("guest").__enter__()
        with namespace.inside():
            stranger = subprocess.Popen(["sleep", "60"])
        try:
            with pytest.raises(LabError, match=rf"still run in it: \[{stranger.pid}\]"):
                namespace.close()
        finally:
            stranger.kill()
            stranger.wait()
        assert namespace.name not in lab_leftovers()


def test_demo_shows_its_clients_and_ports() -> None:
    with Lab() as made:
        with made.capture() as captured:
            run_background_traffic(made, 2)
        flows = captured.rx.tally().flows
    ports = {(key.protocol, key.local_port) for key in flows}
    assert {(6, 22), (6, 80), (6, 443), (6, 5201), (17, 53), (17, 443), (58, None)} <= ports
    clients = {key.remote_addr for key in flows}
    assert {"10.0.1.11", "fd00:0:0:1::c", "10.0.1.13", "fd00:0:0:1::e", "10.0.1.15"} <= clients
