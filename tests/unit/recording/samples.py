# SPDX-License-Identifier: MIT
"""Samples with something in every kind of member that a recording has to keep."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from trafficmon.layout import FLOW, FLOW_KEY, HOOK_COUNTERS, OWNER, SOCKET_ROW, FlowFlag
from trafficmon.model.attachment import Attachment, Clock, HostHook, Machine
from trafficmon.model.dns import Dns, NameCounts
from trafficmon.model.flows import Flows
from trafficmon.model.names import Names, ProcessName
from trafficmon.model.owners import Owners
from trafficmon.model.parts import Part
from trafficmon.model.remote_names import RemoteNames
from trafficmon.model.sample import Sample
from trafficmon.model.sightings import Sighting
from trafficmon.model.sockets import AF_INET, AF_INET6
from trafficmon.model.verdicts import Condition, Findings, InterfaceFinding, Presence, Verdict

HOOK = HostHook("cgroup_rx", "cgroup", "cgroup_skb")
BEGIN_NS = 1_790_000_000 * 10**9
REMOTE4, REMOTE6 = bytes([203, 0, 113, 9]), bytes([0x2A, 0, 1, 2, *bytes(11), 9])
SECRETS = (b"secret", b"203.0.113.9", b"2a00:102::9", REMOTE4, REMOTE6[:4] + bytes(8))
"""What an anonymized recording of secret_sample() must not hold."""


def sample_with(held: dict[Part, Any], turn: int = 0, host_name: str = "here") -> Sample:
    return Sample(
        Machine(host_name, "6.1.0", "6e9d2ad3-b6b6-4d3c-8f4a-0c1d2e3f4a5b"),
        Attachment("/sys/fs/bpf/x", "1.0", BEGIN_NS, "/sys/fs/cgroup/secret", 1, 2, 1000, (HOOK,)),
        Clock(BEGIN_NS + turn * 10**9, turn * 10**9, turn * 10**9, 4_000, 0, 4_000_000),
        held,
        {part: float(turn) for part in held},
    )


def flows_of(numbers: list[int], packets: int) -> Flows:
    """A flow for each of ``numbers``, IPv4 and IPv6 in turns; ``packets`` counted by each."""
    keys, values = np.zeros(len(numbers), FLOW_KEY), np.zeros(len(numbers), FLOW)
    for row, number in enumerate(numbers):
        is_ipv6 = number % 2 == 1
        remote = REMOTE6 if is_ipv6 else REMOTE4
        keys["remote_addr"][row, : len(remote)] = np.frombuffer(remote, np.uint8)
        keys["flags"][row] = FlowFlag.PORTS | (FlowFlag.IPV6 if is_ipv6 else 0)
        keys["local_port_be"][row] = number
    values["rx_packets"] = packets
    return Flows(keys, values, len(numbers))


def secret_sample(turn: int = 0) -> Sample:
    """With names and addresses in all members that have any."""
    owners, sockets = np.zeros(1, OWNER), np.zeros(2, SOCKET_ROW)
    owners["comm"][0, :6] = np.frombuffer(b"secret", np.uint8)
    sockets["cookie"], sockets["family"] = [7, 8], [AF_INET, AF_INET6]
    sockets["remote_addr"][0, :4] = np.frombuffer(REMOTE4, np.uint8)
    sockets["remote_addr"][1] = np.frombuffer(REMOTE6, np.uint8)
    alive = Verdict(Condition.ALIVE, "", None)
    finding = InterfaceFinding(0, "secret0", Presence.HERE, None, {"tc_rx": alive})
    seen = Sighting("www.secret.example", 5, 1.0, 2.0, 3.0)
    counts = NameCounts(3, 2, Counter(noerror=2), 1.5, array("I", [5, 6]))
    return sample_with(
        {
            Part.FINDINGS: Findings({0: finding}, {"cgroup_rx": alive}),
            Part.INTERFACE_NAMES: {1: "secret0", 2: "eth0"},
            Part.HOOK_COUNTERS: np.zeros((2, 4), HOOK_COUNTERS),
            Part.OWNERS: Owners(np.array([5], np.uint64), owners, 1),
            Part.SOCKETS: sockets,
            Part.NAMES: Names(
                {0: "root", 1000: "secret"},
                {9: "/secret.slice/secret.service", 10: None},
                {5: ProcessName("secret", "/usr/bin/secret", "secret --password")},
            ),
            Part.FLOWS: flows_of([0, 1, 2], turn),
            Part.REMOTE_NAMES: RemoteNames({"203.0.113.9": [seen], "2a00:102::9": [seen]}, {}),
            Part.DNS: Dns([(("dns", "www.secret.example", "A"), counts)], "cut"),
        },
        turn,
        host_name="secret",
    )


def same(one: Any, other: Any) -> bool:
    """Equal in all members, arrays by dtype and bytes."""
    return bool(comparable(one) == comparable(other))


def comparable(value: Any) -> Any:
    """Plain values that are equal where both types and contents are."""
    if isinstance(value, np.ndarray | np.void):
        return [str(value.dtype), value.tobytes()]
    if is_dataclass(value):
        return [type(value), comparable(vars(value))]
    if isinstance(value, dict):
        return [type(value), {key: comparable(one) for key, one in value.items()}]
    if isinstance(value, list | tuple):
        return [type(value), [comparable(one) for one in value]]
    return [type(value), value]
