# SPDX-License-Identifier: MIT
"""The dashboard in a browser on this machine: textual-serve, behind a token.

What it shows is root's to see, and loopback is everybody's on this machine: without the token of
this start there is no access. The address that is printed has it; the first request turns it into a
cookie, so that it does not stay in the address line, and pages of other sites cannot use it.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import shlex
import socket
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from trafficmon.errors import TrafficmonError, UsageError

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

_HOST = "127.0.0.1"
_PARAMETER = "token"


def serve(argv: list[str], port: int) -> None:
    """Serve what ``argv`` draws, until Ctrl-C. Port 0: any that is free."""
    if find_spec("textual_serve") is None:
        raise UsageError("--web needs a package more: pip install 'trafficmon[web]'")
    from textual_serve.server import Server  # noqa: PLC0415 - an extra

    port = _free(port)
    token = secrets.token_urlsafe(24)

    class Guarded(Server):
        """As the package's, but only for who has the token."""

        def initialize_logging(self) -> None:
            """What strangers ask for is no news to whoever looks at the dashboard: see --debug."""
            logging.getLogger().addHandler(logging.NullHandler())

        async def _make_app(self) -> web.Application:
            app = await super()._make_app()
            app.middlewares.append(gate(token, port))
            return app

        async def on_startup(self, app: web.Application) -> None:
            """The address, once it is served."""
            del app
            print(f"http://{_HOST}:{port}/?{_PARAMETER}={token}", flush=True)  # noqa: T201
            what_to_do = "open this in a browser on this machine; Ctrl-C ends it"
            print(what_to_do, file=sys.stderr, flush=True)  # noqa: T201

    Guarded(shlex.join(argv), _HOST, port, title="trafficmon").serve()


def gate(token: str, port: int) -> Middleware:
    """Lets pass who shows ``token``, in the address or as our cookie, and came to us by our name.

    By our name: else a page elsewhere could have its own name point here (DNS rebinding). Cookies
    do not know ports: so its name has ours.
    """
    from aiohttp import web  # noqa: PLC0415 - an extra

    cookie = f"trafficmon_{port}"
    name = f"{_HOST}:{port}"
    # the package's page has a font of another site
    elsewhere = re.compile(
        rf"""<link\b[^>]*\bhref=["']?(?:https?:)?//(?!{re.escape(name)}/)[^>]*>"""
    )

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host") != name:
            raise web.HTTPForbidden(text="this is served under its own address only\n")
        if request.headers.get("Origin") not in (None, f"http://{name}"):
            raise web.HTTPForbidden(text="not for pages of other sites\n")
        if _is(request.query.get(_PARAMETER), token):
            without_token = web.HTTPFound("/")  # never to what the address says: "//host" is a host
            without_token.set_cookie(cookie, token, httponly=True, samesite="Strict")
            raise without_token
        if not _is(request.cookies.get(cookie), token):
            raise web.HTTPForbidden(text="the address with the token was printed at the start\n")
        answer = await handler(request)
        if isinstance(answer, web.Response) and answer.content_type == "text/html" and answer.text:
            answer.text = elsewhere.sub("", answer.text)
        if not answer.prepared:
            answer.headers.update(_policy(name))
        return answer

    return guard


def _policy(name: str) -> dict[str, str]:
    """Nothing is loaded from elsewhere, and no other server learns this address."""
    sources = f"'self' 'unsafe-inline' ws://{name}"
    return {
        "Content-Security-Policy": f"default-src {sources}; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _is(given: str | None, token: str) -> bool:
    """In a time that does not depend on where they differ."""
    return hmac.compare_digest((given or "").encode("utf-8", "surrogatepass"), token.encode())


def _free(port: int) -> int:
    """``port``, or a free one for 0. TrafficmonError where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise TrafficmonError(f"cannot listen on {_HOST} port {port}: {error}") from error
        return int(probe.getsockname()[1])
