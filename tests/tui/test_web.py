# SPDX-License-Identifier: MIT
"""Who is let in to the dashboard in a browser."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from tests.waiting import wait_until
from trafficmon.errors import TrafficmonError
from trafficmon.tui.web import _free, gate

TOKEN = "right"
Ask = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


def served(fetch: Ask) -> None:
    """``fetch`` with the address of a server that answers "shown" behind the gate."""

    async def shown(request: web.Request) -> web.Response:
        del request
        return web.Response(text="shown")

    async def inside() -> None:
        port = _free(0)
        app = web.Application(middlewares=[gate(TOKEN, port)])
        app.router.add_get("/", shown)
        app.router.add_get("/ws", shown)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of addresses, not only of names
        try:
            async with aiohttp.ClientSession(cookie_jar=jar) as session:
                await fetch(session, f"http://127.0.0.1:{port}")
        finally:
            await runner.cleanup()

    asyncio.run(inside())


async def status(session: aiohttp.ClientSession, url: str, **headers: str) -> int:
    async with session.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status


def test_who_has_the_token_gets_a_cookie_and_is_let_in() -> None:
    async def fetch(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(f"{base}/?token={TOKEN}") as answer:
            assert await answer.text() == "shown"
            assert "token" not in str(answer.url)
            assert "HttpOnly" in answer.history[0].headers["Set-Cookie"]
            assert "SameSite=Strict" in answer.history[0].headers["Set-Cookie"]
        assert await status(session, f"{base}/ws") == 200
        assert await status(session, f"{base}/ws", Origin=base) == 200

    served(fetch)


@pytest.mark.parametrize("path", ["/", "/ws", "/?token=", "/?token=wrong", "/ws?token=rig"])
def test_who_has_not_is_refused(path: str) -> None:
    async def fetch(session: aiohttp.ClientSession, base: str) -> None:
        assert await status(session, base + path) == 403

    served(fetch)


@pytest.mark.parametrize(
    "header",
    [
        {"Host": "evil.example"},
        {"Host": "localhost:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_pages_of_others_are_refused_even_with_the_cookie(header: dict[str, str]) -> None:
    async def fetch(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(f"{base}/?token={TOKEN}"):
            pass
        assert await status(session, f"{base}/ws") == 200
        assert await status(session, f"{base}/ws", **header) == 403

    served(fetch)


@contextmanager
def serving() -> Iterator[tuple[int, str, subprocess.Popen[bytes]]]:
    """The real server: its port, the token, and the process."""
    argv = [sys.executable, "-m", "trafficmon", "tui", "--web", "--pin-dir", "/sys/fs/bpf/tmnone"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            address = urlsplit(process.stdout.readline().decode())
            port = address.port or 0
            wait_until(lambda: talk(port, b"GET / HTTP/1.0\r\n\r\n"), 20)  # printed, then served
            yield port, address.query.partition("=")[2].strip(), process
        finally:
            process.kill()


def talk(port: int, request: bytes) -> bytes:
    """The answer, until nothing more comes; empty where the server hangs up, or waits."""
    reported = b""
    with (
        suppress(ConnectionError, TimeoutError),
        socket.create_connection(("127.0.0.1", port), timeout=10) as talking,
    ):
        talking.sendall(request)
        talking.settimeout(1)
        while more := talking.recv(65536):
            reported += more
    return reported


STRANGE = (
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET //evil.example/%2e%2e HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /%ff%00%zz?token=%ff%ed%a0%80 HTTP/1.1\r\nHost: HERE\r\n\r\n",
    b"GET /?token=\xff\xfe HTTP/1.1\r\nHost: HERE\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: HERE\r\nCookie: trafficmon_PORT=\xff\xed\xa0\x80\r\n\r\n",
    b'GET / HTTP/1.1\r\nHost: HERE\r\nCookie: trafficmon_PORT="\\377\r\n\r\n',
    b"GET / HTTP/1.1\r\nHost: HERE\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: HERE\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: HERE\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost HERE\r\n\r\n",
    b"FOO / HTTP/1.1\r\nHost: HERE\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: HERE\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: HERE\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: HERE\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: HERE\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: HERE\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /ws HTTP/1.1\r\nHost: HERE\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
    b"\xff" * 1000 + b"\r\n\r\n",
    b"\r\n\r\n",
    b"GET",
)


def test_what_strangers_request_is_refused_without_a_word_to_whoever_looks() -> None:
    with serving() as (port, token, process):
        here = f"127.0.0.1:{port}".encode()
        for strange in STRANGE:
            request = strange.replace(b"Host: HERE", b"Connection: close\r\nHost: " + here)
            answer = talk(port, request.replace(b"PORT", b"%d" % port))
            assert not answer or answer.split()[1][:1] == b"4", (request[:80], answer[:200])
            assert token.encode() not in answer
            assert b"Traceback" not in answer
        ours = b"Connection: close\r\nHost: " + here + b"\r\n\r\n"
        assert b" 302 " in talk(port, f"GET /?token={token} HTTP/1.1\r\n".encode() + ours)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert said.decode().splitlines()[1:] == []
    assert said.startswith(b"open this in a browser")


@pytest.mark.parametrize(
    "path", ["/", "//evil.example", "//evil.example/%2e%2e", "/\\evil.example"]
)
def test_with_the_token_one_is_sent_to_this_server_only(path: str) -> None:
    with serving() as (port, token, _):
        host = f"Connection: close\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        answer = talk(port, f"GET {path}?token={token} HTTP/1.1\r\n{host}".encode())
        assert b"\r\nLocation: /\r\n" in answer


def test_the_page_loads_nothing_from_elsewhere() -> None:
    with serving() as (port, token, _):
        host = f"Connection: close\r\nHost: 127.0.0.1:{port}\r\n"
        host += f"Cookie: trafficmon_{port}={token}\r\n\r\n"
        page = talk(port, f"GET / HTTP/1.1\r\n{host}".encode()).decode()
    head, _, body = page.partition("\r\n\r\n")
    assert " 200 " in head.splitlines()[0]
    assert "xterm.css" in body
    addresses = set(
        re.findall(r"""(?:href|src|url)\s*[=(]\s*["']?((?:https?:)?//[^/"')]+)""", body)
    )
    assert addresses == {f"http://127.0.0.1:{port}"}
    assert "Content-Security-Policy: default-src 'self'" in head
    assert "Referrer-Policy: no-referrer" in head


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TrafficmonError, match="cannot listen"):
            _free(taken.getsockname()[1])
