# SPDX-License-Identifier: MIT
"""TCP connections that carry an exact number of bytes each way.

Usage: tcp_exchange.py serve ADDRESS PORT
       tcp_exchange.py connect ADDRESS PORT [--up BYTES] [--down BYTES]
                       [--connections N | --seconds S] [--pause-ms MS]
                       [--source ADDRESS]

A connection begins with 16 bytes that hold the size of the whole request (these 16 among them) and
of the answer, so one server serves every client. `connect` ends with status 0 only if each answer
was as long as it should be; the server answers only after it has the whole request. `serve` says
"ready" once it listens, and runs until it is ended.
"""

import argparse
import socket
import struct
import sys
import threading
import time

_SIZES = struct.Struct("!QQ")
_BLOCK = bytes(1 << 16)
_TIMEOUT_S = 30.0


def _send(connection: socket.socket, count: int) -> None:
    """Sends `count` zero bytes."""
    while count > 0:
        connection.sendall(_BLOCK[: min(count, len(_BLOCK))])
        count -= len(_BLOCK)


def _receive(connection: socket.socket, count: int) -> None:
    """Receives exactly `count` bytes."""
    while count > 0:
        received = len(connection.recv(min(count, len(_BLOCK))))
        if received == 0:
            raise ConnectionError(f"the connection ended {count} bytes too early")
        count -= received


def _answer(connection: socket.socket) -> None:
    with connection:
        connection.settimeout(_TIMEOUT_S)
        request_bytes, answer_bytes = _SIZES.unpack(
            connection.recv(_SIZES.size, socket.MSG_WAITALL)
        )
        _receive(connection, request_bytes - _SIZES.size)
        _send(connection, answer_bytes)


def _serve(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=1024) as listener:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _exchange(options: argparse.Namespace) -> None:
    source = (options.source, 0) if options.source else None
    with socket.create_connection(
        (options.address, options.port), _TIMEOUT_S, source
    ) as connection:
        connection.sendall(_SIZES.pack(options.up, options.down))
        _send(connection, options.up - _SIZES.size)
        _receive(connection, options.down)
        if connection.recv(1):
            raise ConnectionError("the answer is too long")


def _connect(options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds if options.seconds else None
    done = 0
    while (time.monotonic() < end) if end else (done < options.connections):
        _exchange(options)
        time.sleep(options.pause_ms / 1000)
        done += 1
    sys.stdout.write(f"{done}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("mode", choices=["serve", "connect"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--up", type=int, default=_SIZES.size)
    parser.add_argument("--down", type=int, default=0)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--pause-ms", type=float, default=0.0)
    parser.add_argument("--source")
    return parser.parse_args()


def _main() -> None:
    options = _options()
    if options.mode == "serve":
        _serve(options.address, options.port)
    else:
        _connect(options)


if __name__ == "__main__":
    _main()
