# SPDX-License-Identifier: MIT
"""Chromium looks at a page that serves a terminal: browser.py URL PICTURE KEY WORD...

Prints what the page was sent as text, once all words were in it: as many as stand before KEY are
waited for first, then KEY is pressed. Speaks the browser's own DevTools protocol.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

_FLAGS = (
    "--headless",
    "--no-sandbox",  # as root it has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1280,800",
)
_PATIENCE_S = 40.0
_ESCAPES = re.compile(rb"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07]*\x07|.)")


class Page:
    """One tab. ``sent``: what came over its web sockets."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.sent = b""

    async def listen(self) -> None:
        async for message in self._socket:
            reported = message.json()
            if reported.get("method") == "Network.webSocketFrameReceived":
                frame = reported["params"]["response"]
                raw = frame["payloadData"].encode()
                self.sent += base64.b64decode(raw) if frame["opcode"] == 2 else raw
            elif (waiting := self._answers.pop(reported.get("id", 0), None)) is not None:
                waiting.set_result(reported)

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        reported = await asyncio.wait_for(self._answers[number], _PATIENCE_S)
        result: dict[str, Any] = reported["result"]
        return result

    def text(self) -> str:
        return _ESCAPES.sub(b"", self.sent).decode(errors="replace")

    async def until(self, word: str) -> None:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while word not in self.text():
            if asyncio.get_running_loop().time() > deadline:
                sys.exit(f"no {word!r} in: {self.text()[-3000:]}")
            await asyncio.sleep(0.1)

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.do("Input.dispatchKeyEvent", type=kind, key=key, text=key)


@contextmanager
def chromium() -> Iterator[str]:
    """The address at which it is driven."""
    # its children may still write there when it has ended
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        argv = ["chromium", *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        with (Path(folder) / "said").open("w+b") as said:
            process = subprocess.Popen(argv, stdout=said, stderr=said)
            try:
                yield _address(Path(folder) / "DevToolsActivePort", process)
            finally:
                process.terminate()
                process.wait(10)


def _address(path: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(300):
        if path.exists() and "\n" in (text := path.read_text()):
            return f"http://127.0.0.1:{text.splitlines()[0]}"
        if process.poll() is not None:
            break
        subprocess.run(["sleep", "0.1"], check=True)
    sys.exit("chromium did not start")


async def look(address: str, url: str, key: str, words: list[str]) -> tuple[str, bytes]:
    """What it was sent after KEY, and the picture of it."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/json/list") as answer:
            pages = await answer.json()
        target = next(one for one in pages if one["type"] == "page")
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            await page.do("Network.enable")
            await page.do("Page.navigate", url=url)
            *first, last = words
            for word in first:
                await page.until(word)
            await page.do(
                "Runtime.evaluate", expression="document.querySelector('textarea').focus()"
            )
            page.sent = b""
            await page.press(key)
            await page.until(last)
            await asyncio.sleep(1)
            shot = await page.do("Page.captureScreenshot", format="png")
            listening.cancel()
            return page.text(), base64.b64decode(shot["data"])


def main() -> None:
    url, picture, key, *words = sys.argv[1:]
    with chromium() as address:
        text, png = asyncio.run(look(address, url, key, words))
    Path(picture).write_bytes(png)
    print(text)


if __name__ == "__main__":
    main()
