# SPDX-License-Identifier: MIT
"""Frames and packets that programs seldom send: ARP, other IP protocols, whatever one likes."""

import ipaddress
import socket
import struct
from collections.abc import Iterable

from tests.lab.veth import Endpoint, IpVersion

EXPERIMENTAL = 253
GRE = 47
ESP = 50
SCTP = 132
DCCP = 33

_ETH_P_ARP = 0x0806
_ETH_P_IP = 0x0800
_ARP_REQUEST = 1
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_ETHERNET_MIN_BYTES = 60


def send_frames(sender: Endpoint, frames: Iterable[bytes]) -> int:
    """Sends frames, from the Ethernet header on, by the sender's interface; returns how many."""
    count = 0
    with sender.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((sender.interface, 0))
        for frame in frames:
            wire.send(frame)
            count += 1
    return count


def ethernet(source_mac: str, destination_mac: str, ethertype: int, payload: bytes) -> bytes:
    """An Ethernet frame, padded to the shortest one that a wire can carry."""
    header = _mac(destination_mac) + _mac(source_mac) + struct.pack("!H", ethertype)
    return (header + payload).ljust(_ETHERNET_MIN_BYTES, b"\0")


def arp_broadcast(sender: Endpoint, requested_ipv4: str, count: int = 1) -> None:
    """Broadcasts ARP requests of 60 bytes, as arping does; no one in the lab answers."""
    request = struct.pack("!HHBBH", 1, _ETH_P_IP, 6, 4, _ARP_REQUEST)
    request += (
        _mac(sender.mac)
        + socket.inet_aton(sender.ipv4)
        + bytes(6)
        + socket.inet_aton(requested_ipv4)
    )
    frame = ethernet(sender.mac, _BROADCAST, _ETH_P_ARP, request)
    send_frames(sender, [frame] * count)


def ip_packets(
    sender: Endpoint,
    receiver: Endpoint,
    protocol: int,
    payload: bytes,
    *,
    count: int = 1,
    version: IpVersion = 4,
) -> None:
    """Sends IP packets of any protocol, by the sender's kernel, which may fragment them.

    The receiver holds a socket of that protocol meanwhile, so that it does not answer "protocol
    unreachable".
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with (
        receiver.namespace.socket(family, socket.SOCK_RAW, protocol) as sink,
        sender.namespace.socket(family, socket.SOCK_RAW, protocol) as source,
    ):
        sink.bind((receiver.address(version), 0))
        for _ in range(count):
            source.sendto(payload, (receiver.address(version), 0))


def gre_payload(inner: bytes) -> bytes:
    """A GRE header without options, and an IPv4 packet in it."""
    return struct.pack("!HH", 0, _ETH_P_IP) + inner


def esp_payload(spi: int, sequence: int, ciphertext: bytes) -> bytes:
    """What ESP looks like from outside."""
    return struct.pack("!II", spi, sequence) + ciphertext


def sctp_payload(source_port: int, destination_port: int, data: bytes = b"lab\0") -> bytes:
    """An SCTP common header (its checksum is left 0) and one DATA chunk."""
    chunk = struct.pack("!BBHIHHI", 0, 3, 16 + len(data), 1, 0, 0, 0) + data
    return struct.pack("!HHII", source_port, destination_port, 0x1AB, 0) + chunk


def dccp_payload(source_port: int, destination_port: int) -> bytes:
    """A DCCP-Data packet with short sequence numbers and no data (its checksum is left 0)."""
    data_offset_words, packet_type = 3, 2 << 1
    return struct.pack(
        "!HHBBHBBH", source_port, destination_port, data_offset_words, 0, 0, packet_type, 0, 1
    )


def udp_in_ipv4(
    source: str, destination: str, source_port: int, destination_port: int, data: bytes
) -> bytes:
    """An IPv4 packet with a UDP datagram (no UDP checksum), to be put into a tunnel or frame."""
    datagram = struct.pack("!HHHH", source_port, destination_port, 8 + len(data), 0) + data
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed
    header = (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, socket.IPPROTO_UDP, 0)
        + addresses
    )
    checksum = _internet_checksum(header)
    return header[:10] + struct.pack("!H", checksum) + header[12:] + datagram


def _internet_checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
