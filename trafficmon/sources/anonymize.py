# SPDX-License-Identifier: MIT
"""Samples without the names and addresses of a host, to hand to others.

The same name or address is replaced by the same one in all samples that one Anonymizer is given,
and two different ones stay different: so who talks with whom, and how much, is still there. Ports,
numbers of processes and users, times and counters stay. What is replaced is not stored anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trafficmon.layout import FlowFlag
from trafficmon.model.dns import Dns
from trafficmon.model.flows import Flows
from trafficmon.model.groups import Records
from trafficmon.model.interfaces import WatchedInterface
from trafficmon.model.labels import ProcessLabels
from trafficmon.model.names import Names, ProcessName
from trafficmon.model.owners import Owners
from trafficmon.model.parts import Part
from trafficmon.model.remote_names import RemoteNames
from trafficmon.model.sample import Sample
from trafficmon.model.sockets import AF_INET, AF_INET6
from trafficmon.model.verdicts import Findings, Verdict
from trafficmon.sources.pseudonyms import Pseudonyms


class Anonymizer:
    """Replaces names and addresses, the same ones by the same ones."""

    def __init__(self) -> None:
        self._names = Pseudonyms()

    def sample(self, sample: Sample) -> Sample:
        """``sample`` without names and addresses."""
        held = {part: _part(self._names, part, value) for part, value in sample.held.items()}
        names, machine, attachment = self._names, sample.machine, sample.attachment
        machine = machine._replace(host_name="host", boot_id=names.name("boot", machine.boot_id))
        attachment = attachment._replace(where="recorded", cgroup=names.cgroup(attachment.cgroup))
        return replace(sample, machine=machine, attachment=attachment, held=held)


def _part(names: Pseudonyms, part: Part, value: Any) -> Any:
    make = _OF_PART.get(part)
    return value if make is None or value is None else make(names, value)


def _interfaces(names: Pseudonyms, value: list[WatchedInterface]) -> list[WatchedInterface]:
    return [one._replace(name=names.interface(one.name), reason="") for one in value]


def _findings(names: Pseudonyms, value: Findings) -> Findings:
    return Findings(
        {
            slot: replace(one, name=names.interface(one.name), hooks=_plain(one.hooks))
            for slot, one in value.interfaces.items()
        },
        _plain(value.host),
    )


def _links(names: Pseudonyms, value: Mapping[int, str]) -> dict[int, str]:
    return {number: names.interface(name) for number, name in value.items()}


def _flows(names: Pseudonyms, value: Flows) -> Flows:
    keys = value.keys.copy()
    sizes = np.where(keys["flags"] & FlowFlag.IPV6, 16, 4)
    for side in ("local_addr", "remote_addr"):
        keys[side] = names.addresses(keys[side], sizes)
    return value._replace(keys=keys)


def _sockets(names: Pseudonyms, value: Records) -> Records:
    found = value.copy()
    family = found["family"]
    sizes = np.select([family == AF_INET, family == AF_INET6], [4, 16], 0)
    for side in ("local_addr", "remote_addr"):
        found[side] = names.addresses(found[side], sizes)
    return found


def _owners(names: Pseudonyms, value: Owners) -> Owners:
    records = value.records.copy()
    for row, comm in enumerate(records["comm"]):
        name = names.name("process", comm.tobytes().split(b"\0")[0].decode(errors="replace"))
        records["comm"][row] = np.frombuffer(name.encode().ljust(16, b"\0"), np.uint8)
    return value._replace(records=records)


def _names(names: Pseudonyms, value: Names) -> Names:
    return Names(
        {uid: _user(names, uid, name) for uid, name in value.users.items()},
        {number: path and names.cgroup(path) for number, path in value.cgroups.items()},
        {owner: _process(names, one) for owner, one in value.processes.items()},
    )


def _user(names: Pseudonyms, uid: int, name: str | None) -> str | None:
    return name and ("root" if uid == 0 else names.name("user", name))


def _process(names: Pseudonyms, one: ProcessName) -> ProcessName:
    comm = one.comm and names.name("process", one.comm)
    return replace(one, comm=comm, exe=f"/{comm}" if one.exe else one.exe, cmdline=None)


def _labels(names: Pseudonyms, value: ProcessLabels) -> ProcessLabels:
    del names
    return ProcessLabels(value.ids, np.zeros_like(value.records))


def _remote_names(names: Pseudonyms, value: RemoteNames) -> RemoteNames:
    return replace(
        value,
        addresses={
            names.address_text(address): [replace(s, name=names.domain(s.name)) for s in known]
            for address, known in value.addresses.items()
        },
    )


def _dns(names: Pseudonyms, value: Dns) -> Dns:
    counted = [((kind, names.domain(n), t), counts) for (kind, n, t), counts in value.names]
    return value._replace(names=counted)


def _plain(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Reasons may name paths."""
    return {hook: replace(one, reason="") for hook, one in verdicts.items()}


_OF_PART: dict[Part, Callable[[Pseudonyms, Any], Any]] = {
    Part.INTERFACES: _interfaces,
    Part.FINDINGS: _findings,
    Part.INTERFACE_NAMES: _links,
    Part.LINK_NAMES: _links,
    Part.FLOWS: _flows,
    Part.SOCKETS: _sockets,
    Part.OWNERS: _owners,
    Part.NAMES: _names,
    Part.PROCESS_LABELS: _labels,
    Part.REMOTE_NAMES: _remote_names,
    Part.DNS: _dns,
    Part.PROGRAMS: lambda _, value: value._replace(mount_notes=()),
}
