# SPDX-License-Identifier: MIT
"""What was evicted is missed by sums over flows, and they say so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kernel.program import Program, attached
from tests.lab import traffic
from tests.lab.lab import Lab

pytestmark = pytest.mark.kernel
ROOM = 1024


def hosts(program: Program) -> tuple[list[dict[str, Any]], str]:
    """And what was said beside them."""
    done = program.run("top", "hosts", "--json", "-n", "1000000")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows, done.stderr


def test_hosts_are_complete_until_a_flow_is_evicted() -> None:
    options = ("--layer", "tc", "--max-flows", str(ROOM))
    with Lab() as lab, attached(lab.server, lab.server_if, options=options) as program:
        client, server = lab.client_end, lab.server_end
        traffic.udp_flows(client, server, ROOM // 2, 2, payload_bytes=100)
        (row,), said = hosts(program)
        assert (row["complete"], said) == (True, "")
        assert program.status()["ledger"]["flow_evictions"] == 0
        traffic.udp_flows(client, server, 4 * ROOM, 1, payload_bytes=100)
        (row,), said = hosts(program)
        evicted = program.status()["ledger"]["flow_evictions"]
        assert evicted > ROOM
        assert row["complete"] is False
        assert f"{evicted:,} flows had to give way" in said
        ports = program.run("top", "ports", "--json")
        assert ports.stderr == ""  # these are whole
        assert "flows had to give way" in program.run("top", "flows").stderr
