# SPDX-License-Identifier: MIT
"""Interfaces, cgroups and programs whose names are no UTF-8: shown as bytes, and distinguished."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.kernel.program import Program, free_pin_dir
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.kernel

NAMES = (b"tm\xff", b"tm\xfe", b"tm\\xff", b"tm\xc3\xa9")
REPORTED = ("tm\\xff", "tm\\xfe", "tm\\x5cxff", "tmé")


@pytest.fixture
def program() -> Iterator[Program]:
    with Namespace("odd") as namespace:
        named = [os.fsdecode(name) for name in NAMES]
        for one, other in (named[:2], named[2:]):
            namespace.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other])
        for name in named:
            namespace.run(["ip", "link", "set", name, "up"])
        made = Program(namespace, free_pin_dir())
        try:
            yield made
        finally:
            made.execute("detach", check=False)


def strict(document: str) -> object:
    """As jq, Go and Rust read it: lone surrogates are refused."""
    read = json.loads(document)
    json.dumps(read, ensure_ascii=False).encode("utf-8", "strict")
    return read


def test_interfaces(program: Program) -> None:
    named = [part for name in NAMES for part in ("--iface", os.fsdecode(name))]
    said = program.execute("attach", *named)
    assert all(f"{reported}: xdp " in said.stdout for reported in REPORTED[:2])
    rows = strict(program.execute("top", "interfaces", "--json").stdout)
    assert isinstance(rows, list)
    assert sorted(row["interface"] for row in rows) == sorted(REPORTED)
    status = strict(program.execute("status", "--json").stdout)
    assert isinstance(status, dict)
    assert sorted(one["interface"] for one in status["interfaces"]) == sorted(REPORTED)
    assert {one["state"] for one in status["interfaces"]} == {"attached"}
    csv = program.execute("top", "interfaces", "--csv").stdout
    assert sorted(line.split(",")[0] for line in csv.splitlines()[1:]) == sorted(REPORTED)
    for arguments in (("status",), ("top", "interfaces"), ("doctor",)):
        done = program.execute(*arguments, check=False)
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr
        assert done.returncode == 0, done


def test_filters_and_errors_find_them(program: Program) -> None:
    named = [part for name in NAMES for part in ("--iface", os.fsdecode(name))]
    program.execute("attach", *named)
    found = program.execute("top", "interfaces", "--filter", "iface 'tm\udcff'", "--json").stdout
    assert [row["interface"] for row in json.loads(found)] == ["tm\\xff"]
    refused = program.execute("attach", "--iface", "tm\udcfd", check=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    program.execute("detach", "--iface", "tm\udcff")
    states = {
        one["interface"]: one["state"]
        for one in json.loads(program.execute("status", "--json").stdout)["interfaces"]
    }
    assert states["tm\\xff"] == "detached"
    assert states["tm\\xfe"] == states["tm\\x5cxff"] == "attached"


def test_jq_reads_it(program: Program) -> None:
    program.execute("attach", "--iface", os.fsdecode(NAMES[0]))
    document = program.execute("top", "interfaces", "--json").stdout
    try:
        read = subprocess.run(
            ["jq", "-r", ".[].interface"],
            input=document,
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("jq is not installed")
    assert read.stdout == "tm\\xff\n"
