# SPDX-License-Identifier: MIT
"""Every command of bpf(2) on every pin, as an ordinary user would try them.

`python every_call.py UID GROUP DIRECTORY OWN COMMANDS` becomes that user, and tries what may be had
of each file below DIRECTORY. OWN: a directory of a BPF file system that he may write to; a
descriptor that was got for reading is pinned there and opened again for writing. COMMANDS: how many
the kernel has (enum bpf_cmd). Needs the standard library only.

It prints one JSON document: by pin the ways in which it could be opened, and what succeeded,
commands by their numbers.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import mmap
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

_SYSCALL = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
_PROG_LOAD, _OBJ_PIN, _OBJ_GET = 5, 6, 7
_WAYS = {"both": 0, "read": 1 << 3, "write": 1 << 4}  # BPF_F_RDONLY, BPF_F_WRONLY
_ROOM = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)
_name = itertools.count()


def bpf(command: int, attributes: bytes) -> int:
    """The result, or -errno."""
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), 160))
    result = _libc.syscall(_SYSCALL, command, buffer, len(buffer))
    return int(result) if result >= 0 else -ctypes.get_errno()


def by_path(command: int, path: str, fd: int = 0, flags: int = 0) -> int:
    """BPF_OBJ_PIN and BPF_OBJ_GET."""
    text = ctypes.create_string_buffer(path.encode())
    return bpf(command, struct.pack("=QII", ctypes.addressof(text), fd, flags))


def descriptors(path: str, own: str) -> Iterator[tuple[str, int]]:
    """All that can be had of a pin, and of each once more by a pin of one's own."""
    for way, flags in _WAYS.items():
        fd = by_path(_OBJ_GET, path, flags=flags)
        if fd < 0:
            continue
        yield way, fd
        copy = f"{own}/pin{next(_name)}"
        if by_path(_OBJ_PIN, copy, fd) == 0:
            for second, more in _WAYS.items():
                again = by_path(_OBJ_GET, copy, flags=more)
                if again >= 0:
                    yield f"{way}, pinned again, {second}", again
    for way, flags in (("file", os.O_RDONLY), ("path", os.O_PATH), ("file rw", os.O_RDWR)):
        with suppress(OSError):
            yield way, os.open(path, flags | os.O_NONBLOCK)


def attributes(fd: int, others: list[int]) -> Iterator[bytes]:
    """`union bpf_attr` as the commands lay it out: descriptors first, last, with buffers or ids."""
    zeroes, ones = (ctypes.create_string_buffer(byte * _ROOM, _ROOM) for byte in (b"\0", b"\1"))
    key, value = ctypes.addressof(zeroes), ctypes.addressof(ones)
    count = ctypes.create_string_buffer(struct.pack("=I", 1), 4)
    for flags in (0, 1, 2, 4):
        yield struct.pack("=IIQQQ", fd, 0, key, value, flags)  # lookup, update, delete, next key
    yield struct.pack("=I", fd)  # freeze, detach a link, make an iterator, enable statistics
    yield struct.pack("=QQQQIIQQ", 0, value, key, value, 1, fd, 0, 0)  # the batches
    yield struct.pack("=IIIIQQII", fd, 0, 64, 64, value, value, 1, 0)  # run a program
    yield struct.pack("=III", fd, _ROOM, 0) + struct.pack("=IQ", 0, value)  # information
    yield struct.pack("=IIQ", fd, 256, value)
    yield struct.pack("=IIQIIQ", 0, fd, value, 4, 0, ctypes.addressof(count))
    for other in others:
        yield struct.pack("=IIII", other, fd, 0, 0)  # attach to fd, bind a map to a program
        yield struct.pack("=IIII", fd, other, 0, 0)  # link, update, bind
        yield struct.pack("=IIII", fd, other, 28, 0)  # BPF_TRACE_ITER
        yield struct.pack("=IIII", fd, 1, 37, 0)  # BPF_XDP
    yield struct.pack("=IIIIIIIII", 12, 4, 4, 1, 0, fd, 0, 0, 0)  # a map of maps of its kind


def program(fd: int) -> bytes:
    """BPF_PROG_LOAD of a socket filter that adds a key to the map: r1 = fd, call 2, exit."""
    code = struct.pack("=BBhi", 0x18, 0x11, 0, fd) + bytes(8)  # r1 = map
    code += struct.pack("=BBhi", 0x7A, 10, -8, 0)  # *(u64 *)(r10 - 8) = 0
    code += struct.pack("=BBhi", 0xBF, 0xA2, 0, 0) + struct.pack("=BBhi", 0x07, 2, 0, -8)
    code += struct.pack("=BBhi", 0xBF, 0x23, 0, 0) + struct.pack("=BBhi", 0xB7, 4, 0, 0)
    code += struct.pack("=BBhi", 0x85, 0, 0, 2) + struct.pack("=BBhi", 0xB7, 0, 0, 0)
    code += struct.pack("=BBhi", 0x95, 0, 0, 0)
    held = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    _kept.extend((held, licence))
    return struct.pack(
        "=IIQQ", 1, len(code) // 8, ctypes.addressof(held), ctypes.addressof(licence)
    )


_kept: list[object] = []


def map_memory(fd: int) -> list[str]:
    """Ways to have the memory of a map mapped, and written to."""
    done = []
    for name, protection in (("read", mmap.PROT_READ), ("write", mmap.PROT_READ | mmap.PROT_WRITE)):
        for offset in (0, mmap.PAGESIZE):
            shape = (mmap.PAGESIZE, mmap.MAP_SHARED, protection)
            with suppress(OSError, ValueError), mmap.mmap(fd, *shape, offset=offset) as memory:
                if name == "write":
                    memory[:8] = b"\xff" * 8
                done.append(f"memory to {name} at {offset}")
    return done


def main() -> None:
    """See above."""
    uid, group, count = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[5])
    directory, own = sys.argv[3], sys.argv[4]
    pins = [f"{at}/{name}" for at, _, names in os.walk(directory) for name in names]
    os.setgroups([group])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    found = {}
    for pin in sorted(pins):
        opened = list(descriptors(pin, own))
        done: list[tuple[str, str | int]] = []
        for way, fd in opened:
            done += [(way, what) for what in map_memory(fd)]
            if bpf(_PROG_LOAD, program(fd)) >= 0:
                done.append((way, "a program that writes"))
            for command in range(count):
                forms = attributes(fd, [fd for _, fd in opened])
                if max(bpf(command, form) for form in forms) >= 0:
                    done.append((way, command))
        for _, fd in opened:
            os.close(fd)
        found[os.path.relpath(pin, directory)] = {"ways": [way for way, _ in opened], "done": done}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
