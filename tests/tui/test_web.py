# SPDX-License-Identifier: MIT
"""Who is let in to the dashboard in a browser."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from trafficmon.errors import TrafficmonError
from trafficmon.tui.web import _free, gate

TOKEN = "right"
Ask = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


def served(ask: Ask) -> None:
    """``ask`` with the address of a server that answers "shown" behind the gate."""

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
                await ask(session, f"http://127.0.0.1:{port}")
        finally:
            await runner.cleanup()

    asyncio.run(inside())


async def status(session: aiohttp.ClientSession, url: str, **headers: str) -> int:
    async with session.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status


def test_who_has_the_token_gets_a_cookie_and_is_let_in() -> None:
    async def ask(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(f"{base}/?token={TOKEN}") as answer:
            assert await answer.text() == "shown"
            assert "token" not in str(answer.url)
            assert "HttpOnly" in answer.history[0].headers["Set-Cookie"]
            assert "SameSite=Strict" in answer.history[0].headers["Set-Cookie"]
        assert await status(session, f"{base}/ws") == 200
        assert await status(session, f"{base}/ws", Origin=base) == 200

    served(ask)


@pytest.mark.parametrize("path", ["/", "/ws", "/?token=", "/?token=wrong", "/ws?token=rig"])
def test_who_has_not_is_refused(path: str) -> None:
    async def ask(session: aiohttp.ClientSession, base: str) -> None:
        assert await status(session, base + path) == 403

    served(ask)


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
    async def ask(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(f"{base}/?token={TOKEN}"):
            pass
        assert await status(session, f"{base}/ws") == 200
        assert await status(session, f"{base}/ws", **header) == 403

    served(ask)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TrafficmonError, match="cannot listen"):
            _free(taken.getsockname()[1])
