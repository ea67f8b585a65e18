# SPDX-License-Identifier: MIT
"""VLAN tagging in user space, for kernels without 8021q: a TAP device, and tags on an interface.

Usage: vlan_gateway.py TAP INTERFACE TPID:VID[,TPID:VID…] (outermost first, TPID in hex digits).
Says "ready" once frames pass, and runs until it is ended; the TAP device goes with it. Both sides
speak in virtio-net headers, so that super-packets and unfinished checksums pass, too.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import sys

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x2, 0x1000, 0x4000

_ETH_P_ALL = 0x3
_SOL_PACKET = 263
_PACKET_AUXDATA, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 8, 15, 23
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_AUXDATA = struct.Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
_STATUS_VLAN_VALID = 1 << 4
_VID_MASK = 0xFFF

_VNET_HEADER_BYTES = 10
_VNET_LENGTHS = struct.Struct(
    "=BBHHHH"
)  # flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
_VNET_NEEDS_CHECKSUM = 1
_ADDRESSES_BYTES = 12
_TAG_BYTES = 4
_MAX_FRAME_BYTES = 1 << 17


class _SockFilter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.POINTER(_SockFilter)))


def _open_tap(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(
        fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
    )
    return fd


def _open_wire(interface: str, outer_vid: int) -> socket.socket:
    """A packet socket on `interface` that gets the incoming frames with that outermost VLAN id."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    _attach_vlan_filter(wire, outer_vid)
    wire.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 32 << 20)
    for option in (_PACKET_AUXDATA, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING):
        wire.setsockopt(_SOL_PACKET, option, 1)
    wire.bind((interface, _ETH_P_ALL))
    return wire


def _attach_vlan_filter(wire: socket.socket, vid: int) -> None:
    """Classic BPF: accept what the kernel has taken a tag with that VLAN id off."""
    load_word, jump_equal, and_constant, accept = 0x20, 0x15, 0x54, 0x06
    ancillary, vlan_tag, vlan_tag_present = 0xFFFFF000, 44, 48
    program = (
        (load_word, 0, 0, ancillary + vlan_tag_present),
        (jump_equal, 4, 0, 0),
        (load_word, 0, 0, ancillary + vlan_tag),
        (and_constant, 0, 0, _VID_MASK),
        (jump_equal, 0, 1, vid),
        (accept, 0, 0, 0xFFFFFFFF),
        (accept, 0, 0, 0),
    )
    instructions = (_SockFilter * len(program))(
        *(_SockFilter(*instruction) for instruction in program)
    )
    wire.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_SockFprog(len(program), instructions))
    )


def _moved_checksum(header: bytes, by: int) -> bytes:
    """The virtio-net header of a frame whose network header has moved by that many bytes."""
    flags, gso_type, hdr_len, gso_size, csum_start, csum_offset = _VNET_LENGTHS.unpack(header)
    if flags & _VNET_NEEDS_CHECKSUM:
        csum_start += by
    hdr_len = hdr_len + by if hdr_len else 0
    return _VNET_LENGTHS.pack(flags, gso_type, hdr_len, gso_size, csum_start, csum_offset)


def _tagged(message: bytes, tags: bytes) -> bytes:
    header, frame = message[:_VNET_HEADER_BYTES], message[_VNET_HEADER_BYTES:]
    return (
        _moved_checksum(header, len(tags))
        + frame[:_ADDRESSES_BYTES]
        + tags
        + frame[_ADDRESSES_BYTES:]
    )


def _untagged(message: bytes, auxdata: bytes, tags: bytes) -> bytes | None:
    """The message without its tags, None if it has others.

    The kernel has put the outermost tag into `auxdata`, further ones are in the frame.
    """
    status, _, _, _, _, tci, tpid = _AUXDATA.unpack(auxdata)
    if (
        not status & _STATUS_VLAN_VALID
        or struct.pack("!HH", tpid, tci & _VID_MASK) != tags[:_TAG_BYTES]
    ):
        return None
    header, frame = message[:_VNET_HEADER_BYTES], message[_VNET_HEADER_BYTES:]
    inner = tags[_TAG_BYTES:]
    rest = frame[_ADDRESSES_BYTES:]
    if not rest.startswith(inner):
        return None
    return _moved_checksum(header, -len(inner)) + frame[:_ADDRESSES_BYTES] + rest[len(inner) :]


def _receive(wire: socket.socket, tags: bytes) -> bytes | None:
    message, ancillary, _, _ = wire.recvmsg(_MAX_FRAME_BYTES, socket.CMSG_SPACE(_AUXDATA.size))
    for level, kind, data in ancillary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            return _untagged(message, data, tags)
    return None


def _pass_on(tap: int, wire: socket.socket, tags: bytes) -> None:
    poll = select.poll()
    poll.register(tap, select.POLLIN)
    poll.register(wire, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == tap:
                wire.send(_tagged(os.read(tap, _MAX_FRAME_BYTES), tags))
            elif (message := _receive(wire, tags)) is not None:
                os.write(tap, message)


def _main() -> None:
    tap_name, interface, reported_tags = sys.argv[1:]
    pairs = [tuple(tag.split(":")) for tag in reported_tags.split(",")]
    tags = b"".join(struct.pack("!HH", int(tpid, 16), int(vid)) for tpid, vid in pairs)
    tap = _open_tap(tap_name)
    with _open_wire(interface, int(pairs[0][1])) as wire:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        _pass_on(tap, wire, tags)


if __name__ == "__main__":
    _main()
