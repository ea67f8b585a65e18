# SPDX-License-Identifier: MIT
"""Namespaces, what runs in them, and what the lab says when it cannot be."""

import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.namespace import Namespace
from tests.lab.requirements import LabError, MissingRequirementError, require_programs
from tests.lab.veth import connect

pytestmark = pytest.mark.kernel


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace("self") as made:
        yield made


def test_inside_moves_this_thread_and_brings_it_back(namespace: Namespace) -> None:
    def network() -> Path:
        return Path("/proc/thread-self/ns/net").readlink()

    def fail_inside() -> None:
        with namespace.inside():
            assert network() != here
            assert socket.if_nameindex() == [(1, "lo")]
            raise ZeroDivisionError

    here = network()
    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert network() == here


def test_a_program_may_run_as_another_user(namespace: Namespace) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    for user in ("nobody", nobody):
        assert namespace.run(["id", "-u"], user=user).stdout.strip() == str(nobody)


def test_failures_report_what_the_program_said(namespace: Namespace) -> None:
    failing = ["sh", "-c", "echo this is why >&2; exit 3"]
    with pytest.raises(LabError, match="status 3: this is why"):
        namespace.run(failing)
    assert namespace.run(failing, check=False).returncode == 3
    with pytest.raises(LabError, match=r"not done after 0.2 s; it said: 'working"):
        namespace.run(["sh", "-c", "echo working; sleep 60"], timeout=0.2)
    assert namespace.pids() == []


def test_a_network_within_one_namespace() -> None:
    with Namespace("one") as one:
        link = connect(one, one, queues=2, mtu=9000)
        details = one.run(["ip", "-d", "link", "show", "dev", link.right.interface]).stdout
    assert "mtu 9000" in details
    assert "numtxqueues 2 numrxqueues 2" in details


def test_missing_programs_are_named_with_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingRequirementError, match=r"ping \(Debian package iputils-ping\)"):
        require_programs("tshark", "ping")


def test_root_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingRequirementError, match="needs root"), Namespace("user"):
        pass
