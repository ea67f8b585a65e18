# SPDX-License-Identifier: MIT
"""What is handed to others has no names and addresses, and still shows who talks with whom."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from tests.unit.recording.samples import SECRETS, sample_with, secret_sample
from tests.unit.recording.test_recording import frames_of
from trafficmon.sources.anonymize import Anonymizer
from trafficmon.sources.pseudonyms import Pseudonyms
from trafficmon.sources.recording.reader import Recording
from trafficmon.sources.recording.writer import About, RecordingWriter


def test_nothing_of_names_and_addresses_is_in_the_file(tmp_path: Path) -> None:
    anonymizer = Anonymizer()
    for name, change, is_there in (
        ("open", lambda sample: sample, True),
        ("hidden", anonymizer.sample, False),
    ):
        path = tmp_path / name
        with RecordingWriter(path, About(1.0, not is_there), 1 << 24) as writer:
            for turn in range(2):
                writer.add(change(secret_sample(turn)))
        content = b"".join(raw for _, raw in frames_of(path.read_bytes()))
        for secret in SECRETS:
            assert (secret in content or _shuffled(path, secret)) == is_there, secret


def _shuffled(path: Path, secret: bytes) -> bool:
    """Bytes of arrays do not stand together in the file; in the samples they do."""
    with Recording(path) as recording:
        sample = recording.sample(0)
    arrays = (sample.flows.keys, sample.sockets, sample.owners.records if sample.owners else None)
    return any(one is not None and secret in one.tobytes() for one in arrays)


def test_the_same_by_the_same_and_others_by_others() -> None:
    anonymizer = Anonymizer()
    first, second = anonymizer.sample(secret_sample(0)), anonymizer.sample(secret_sample(1))
    assert first.names == second.names
    assert (first.flows.keys == second.flows.keys).all()
    remote = first.flows.keys["remote_addr"]
    assert (remote[0] == remote[2]).all()
    assert (remote[0] != remote[1]).any()
    assert first.sockets is not None
    assert (first.sockets["remote_addr"][0, :4] == remote[0, :4]).all()
    assert (first.sockets["remote_addr"][1] == remote[1]).all()
    text = str(ipaddress.IPv4Address(remote[0, :4].tobytes()))
    assert text in first.remote_names.addresses


def test_what_is_counted_stays() -> None:
    sample, hidden = secret_sample(7), Anonymizer().sample(secret_sample(7))
    assert (sample.flows.values == hidden.flows.values).all()
    assert sample.clock == hidden.clock
    assert (sample.flows.keys["local_port_be"] == hidden.flows.keys["local_port_be"]).all()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.251", "ff02::fb", "255.255.255.255"],
)
def test_addresses_that_all_hosts_have_stay(address: str) -> None:
    assert Pseudonyms().address_text(address) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("8.8.8.8", "100.64.0.0/10"),
        ("192.168.1.1", "10.0.0.0/8"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("2a00:1450::1", "2001:db8::/32"),
        ("fd12::1", "fd00::/8"),
        ("fe80::1", "fe80::/10"),
    ],
)
def test_kinds_of_addresses_stay(address: str, network: str) -> None:
    found = Pseudonyms().address_text(address)
    assert ipaddress.ip_address(found) in ipaddress.ip_network(network)
    assert found != address


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/", "/"),
        ("/system.slice/acme.service", "/system.slice/group1.service"),
        ("/user.slice/acme", "/user.slice/group1"),
        ("", ""),
    ],
)
def test_cgroups_keep_what_they_are(path: str, form: str) -> None:
    assert Pseudonyms().cgroup(path) == form


@pytest.mark.parametrize(("name", "form"), [("eth0", "eth0"), ("lo", "lo"), ("acme", "if1")])
def test_interfaces(name: str, form: str) -> None:
    assert Pseudonyms().interface(name) == form


def test_the_host_and_its_boot() -> None:
    hidden = Anonymizer().sample(sample_with({}, host_name="secret"))
    assert hidden.machine.host_name == "host"
    assert hidden.machine.boot_id != sample_with({}).machine.boot_id
