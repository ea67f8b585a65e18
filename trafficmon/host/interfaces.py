# SPDX-License-Identifier: MIT
"""What kind of thing a network interface is, by rtnetlink.

Not of /sys/class/net: that shows the namespace in which sysfs was mounted, not the one we are in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ARPHRD_ETHER = 1
ARPHRD_LOOPBACK = 772
_ETHERNET_HEADER = {ARPHRD_ETHER, ARPHRD_LOOPBACK}
_NO_LOWER = 0
_REMOTE = ("_REMOTE", "_GROUP")
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - a tunnel of no one other end


@dataclass(frozen=True)
class Interface:
    """An interface of this network namespace."""

    name: str
    ifindex: int
    hardware: int  # ARPHRD_*, include/uapi/linux/if_arp.h
    kind: str | None  # veth, bridge, vlan, tun…; None for hardware (and loopback)
    master: int  # ifindex of the bridge or bond that it is a port of, or 0
    lower: (
        int  # ifindex of the one it sits on (VLAN, macvlan…), or is bound to; a veth's peer; or 0
    )
    remote: str | None = None  # address of a tunnel's other end

    @property
    def link_header_bytes(self) -> int:
        """14 where frames begin with an Ethernet header, 0 where they are bare IP packets."""
        return 14 if self.hardware in _ETHERNET_HEADER else 0

    @property
    def is_loopback(self) -> bool:
        """Whether what goes out comes in again."""
        return self.hardware == ARPHRD_LOOPBACK

    @property
    def is_physical(self) -> bool:
        """Whether a driver of real (or virtual) hardware serves it."""
        return self.kind is None and not self.is_loopback


def all_interfaces() -> dict[str, Interface]:
    """Every interface by name."""
    from pyroute2 import IPRoute  # slow to import, and only attach and doctor need it

    with IPRoute() as route:
        found = [_interface(link) for link in route.get_links()]
    return {interface.name: interface for interface in found}


def _interface(link: Any) -> Interface:
    info = link.get_attr("IFLA_LINKINFO")
    elsewhere = link.get_attr("IFLA_LINK_NETNSID") is not None
    lower, remote = _ends(info)
    lower = link.get_attr("IFLA_LINK") or lower
    return Interface(
        name=_text(link.get_attr("IFLA_IFNAME")),
        ifindex=link["index"],
        hardware=link["ifi_type"],
        kind=info.get_attr("IFLA_INFO_KIND") if info else None,
        master=link.get_attr("IFLA_MASTER") or 0,
        lower=_NO_LOWER if elsewhere or lower == link["index"] else lower,
        remote=remote,
    )


def _ends(info: Any) -> tuple[int, str | None]:
    """Of a tunnel: the ifindex it is bound to, and its other end, where there is one.

    Each kind has attributes of its own for that: IFLA_GRE_LINK, IFLA_VXLAN_GROUP6 and so on.
    """
    data = info.get_attr("IFLA_INFO_DATA") if info else None
    attributes = dict(data["attrs"]) if isinstance(data, dict) and "attrs" in data else {}
    links = (value for name, value in attributes.items() if name.endswith("_LINK"))
    ends = (value for name, value in attributes.items() if name.rstrip("6").endswith(_REMOTE))
    lower = next((value for value in links if isinstance(value, int)), _NO_LOWER)
    return lower, next((end for end in ends if isinstance(end, str) and end not in _ANY), None)


def _text(name: str | bytes) -> str:
    """pyroute2 leaves what is not UTF-8 as bytes; the kernel takes all but "/", ":" and spaces."""
    return name if isinstance(name, str) else name.decode(errors="surrogateescape")


def has_clsact(ifindex: int) -> bool:
    """Whether the interface has a clsact qdisc."""
    from pyroute2 import IPRoute

    with IPRoute() as route:
        qdiscs = route.get_qdiscs(index=ifindex)
        return any(q["index"] == ifindex and q.get_attr("TCA_KIND") == "clsact" for q in qdiscs)


def clsact_filters(ifindex: int) -> int:
    """How many filters hang on the interface's clsact qdisc, both sides."""
    from pyroute2 import IPRoute

    with IPRoute() as route:
        sides = (0xFFFFFFF2, 0xFFFFFFF3)  # TC_H_CLSACT, TC_H_MIN_INGRESS and TC_H_MIN_EGRESS
        found = [f for parent in sides for f in route.get_filters(index=ifindex, parent=parent)]
    return sum(1 for f in found if f["handle"])
