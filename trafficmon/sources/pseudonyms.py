# SPDX-License-Identifier: MIT
"""Names and addresses that stand for others: the same one for the same, another for another."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import numpy as np

from trafficmon.model.groups import Records

_COMMON_INTERFACE = re.compile(r"(lo|(eth|en|wlan|wl|ens|eno|bond|br|docker|veth|tun|tap)\d*)")
_COMMON_GROUPS = frozenset({"", "system.slice", "user.slice", "init.scope", "machine.slice"})
_UNIT = re.compile(r"\.(service|scope|slice|socket|mount)$")
_FIRST = {
    kind: int(ipaddress.ip_address(address))
    for kind, address in (
        ("public4", "100.64.0.0"),
        ("private4", "10.128.0.0"),
        ("public6", "2001:db8::"),
        ("private6", "fd00:0:0:1::"),
        ("link6", "fe80::1:0:0:0"),
    )
}
"""Before the first address that stands for one of a kind."""
_BROADCAST = 0xFFFFFFFF


class _Numbers:
    """The first thing of a kind is 1, the second 2, and so on; the same one keeps its number."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Any], int] = {}
        self._count: dict[str, int] = {}

    def of(self, kind: str, thing: Any) -> int:
        number = self._known.get((kind, thing))
        if number is None:
            number = self._count[kind] = self._count.get(kind, 0) + 1
            self._known[kind, thing] = number
        return number


class Pseudonyms:
    """What has been replaced by what is only here, for as long as this lives."""

    def __init__(self) -> None:
        self._numbers = _Numbers()

    def name(self, kind: str, name: str) -> str:
        """``kind`` with a number; no name stays none."""
        return f"{kind}{self._numbers.of(kind, name)}" if name else name

    def interface(self, name: str) -> str:
        """Names that most hosts have stay."""
        return name if _COMMON_INTERFACE.fullmatch(name) else self.name("if", name)

    def cgroup(self, path: str) -> str:
        """Part by part; names that all hosts have, and kinds of units, stay."""
        return "/".join(self._group(one) for one in path.split("/"))

    def _group(self, name: str) -> str:
        if name in _COMMON_GROUPS:
            return name
        kind = _UNIT.search(name)
        return f"{self.name('group', name)}{kind.group() if kind else ''}"

    def domain(self, name: str) -> str:
        """Label by label; the last one stays."""
        *labels, last = name.rstrip(".").split(".")
        return ".".join([*(self.name("label", one) for one in labels), last])

    def address(self, raw: bytes) -> bytes:
        """4 or 16 bytes. Private, global and link-local stay what they are, others as they are."""
        address = ipaddress.ip_address(raw)
        kind = _kind_of(address)
        if kind is None:
            return raw
        return (_FIRST[kind] + self._numbers.of(kind, raw)).to_bytes(len(raw), "big")

    def address_text(self, text: str) -> str:
        """As address(), of text without a zone."""
        return str(ipaddress.ip_address(self.address(ipaddress.ip_address(text).packed)))

    def addresses(self, column: Records, sizes: Records) -> Records:
        """Sixteen bytes a row, of which ``sizes`` count: 4 or 16, 0 for no address."""
        rows, of_row = np.unique(
            np.concatenate([column, sizes[:, None].astype(np.uint8)], axis=1),
            axis=0,
            return_inverse=True,
        )
        made = np.zeros((len(rows), 16), np.uint8)
        for at, row in enumerate(rows):
            size = int(row[16])
            if size:
                made[at, :size] = np.frombuffer(self.address(row[:size].tobytes()), np.uint8)
        return made[of_row.reshape(-1)]


def _kind_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    """Of _FIRST; None for addresses that every host has or may have."""
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        return None
    if address.version == 4 and (address.is_link_local or int(address) == _BROADCAST):
        return None
    if address.is_link_local:
        return "link6"
    return f"{'private' if address.is_private else 'public'}{address.version}"
