# SPDX-License-Identifier: MIT
"""What the log's programs have counted as entries of the journal."""

from __future__ import annotations

from collections.abc import Mapping

from trafficmon.attachment.store import Store
from trafficmon.events.unpack import place_of, unpacker
from trafficmon.host import netns
from trafficmon.layout import LOG_KEY, LOG_ROW, FlowFlag, InterfaceState
from trafficmon.records import text_of
from trafficmon.tables.addresses import address_text
from trafficmon.userlog.journal import Entry

_NO_NIC = "none"
_IPV6 = int(FlowFlag.IPV6)
_ROW_KEY = place_of(LOG_ROW, "key")
_ROW = unpacker(LOG_ROW, "event.at_ns", "bytes")
_KEY = unpacker(
    LOG_KEY,
    "source_addr",
    "destination_addr",
    "uid",
    "ifindex",
    "is_rx",
    "flags",
    "foreign_netns",
)


class InterfaceNames:
    """What the log calls an interface: its name, where it is in the watched network namespace.

    One that was removed, or is of another namespace, where the same number is another interface's,
    goes by its number. Outside of the watched namespace only the attached ones are known by name.
    """

    def __init__(self, *, is_inside: bool, attached: Mapping[int, str]) -> None:
        self._is_inside, self._attached = is_inside, attached
        self._known: dict[int, str | None] = {}

    def name(self, ifindex: int, *, foreign_netns: bool) -> str:
        """``foreign_netns``: the number is of another namespace than the watched one."""
        if not ifindex:
            return _NO_NIC
        if ifindex not in self._known and not foreign_netns:
            self._known[ifindex] = self._look_up(ifindex)
        known = None if foreign_netns else self._known[ifindex]
        return known or f"if{ifindex}"

    def _look_up(self, ifindex: int) -> str | None:
        return netns.name_of(ifindex) if self._is_inside else self._attached.get(ifindex)


def attached_names(store: Store) -> dict[int, str]:
    """Of the attached interfaces, by ifindex."""
    return {
        int(record["ifindex"]): text_of(record["name"])
        for record in store.interfaces().values()
        if record["state"] == InterfaceState.ATTACHED
    }


class EntryDecoder:
    """Decodes LOG_KEY and LOG_ROW."""

    def __init__(self, names: InterfaceNames) -> None:
        self._names = names

    def decode(self, raw: bytes, offset_ns: int) -> Entry:
        """A record of the ring buffer `log_rows`: one packet."""
        at_ns, size = _ROW(raw)
        return self.entry(raw[_ROW_KEY], size, at_ns + offset_ns)

    def entry(self, key: bytes, size: int, at_ns: int) -> Entry:
        """``size`` bytes of a LOG_KEY. Without flags: of all that the table had no room for."""
        source, destination, uid, ifindex, is_rx, flags, foreign_netns = _KEY(key)
        is_ipv6 = bool(flags & _IPV6)
        return Entry(
            uid,
            self._names.name(ifindex, foreign_netns=bool(foreign_netns)),
            bool(is_rx),
            size,
            address_text(source, ipv6=is_ipv6) if flags else None,
            address_text(destination, ipv6=is_ipv6) if flags else None,
            at_ns,
        )
