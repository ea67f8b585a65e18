# SPDX-License-Identifier: MIT
"""Names of a resolver, looked up once each, and not waited for too long."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from trafficmon.host import reverse_dns
from trafficmon.host.reverse_dns import ReverseDns


def rows(*addresses: str | None) -> list[dict[str, Any]]:
    return [{"remote_addr": address, "remote_name": None} for address in addresses]


def test_names_are_looked_up_once() -> None:
    requested = []

    def look_up(address: str) -> str | None:
        requested.append(address)
        return f"name-of-{address}"

    resolver = ReverseDns(look_up)
    for _ in range(2):
        some = [
            *rows("10.0.0.1", "10.0.0.1", None),
            {"remote_addr": "10.0.0.2", "remote_name": "x"},
        ]
        resolver.add_names(some)
        names = [row["remote_name"] for row in some]
        assert names == ["name-of-10.0.0.1", "name-of-10.0.0.1", None, "x"]
    assert requested == ["10.0.0.1"]


def test_a_slow_resolver_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reverse_dns, "_PATIENCE_S", 0.05)
    go_on = threading.Event()
    some = rows("10.0.0.1", "10.0.0.2")

    def look_up(address: str) -> str | None:
        if address == "10.0.0.1":
            go_on.wait(10)
        return "late" if address == "10.0.0.1" else "soon"

    began = time.monotonic()
    ReverseDns(look_up).add_names(some)
    assert time.monotonic() - began < 5
    assert [row["remote_name"] for row in some] == [None, "soon"]
    go_on.set()


def test_what_is_no_address_has_no_name() -> None:
    assert reverse_dns.resolve("no address") is None
