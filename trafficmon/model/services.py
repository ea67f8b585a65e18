# SPDX-License-Identifier: MIT
"""The division by service: every packet of an interface is in exactly one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trafficmon.layout import ServiceKind
from trafficmon.model.groups import Records
from trafficmon.model.sockets import IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP

KINDS = (
    "ipv4_packets",
    "ipv6_packets",
    "non_ip_packets",
    "tcp_packets",
    "udp_packets",
    "icmp_packets",
    "other_packets",
)
"""The places of tm_interface_base.packets_by_kind."""


class Services(NamedTuple):
    """``keys`` (SERVICE_KEY) and ``values`` (SERVICE), row by row."""

    keys: Records
    values: Records
    entries: int


def packets_by_kind(services: Services, rows: Sequence[int]) -> NDArray[np.uint64]:
    """Packets, both directions, that ``rows`` have counted, by KINDS."""
    mine = np.isin(services.keys["row"], rows)
    keys, values = services.keys[mine], services.values[mine]
    packets = values["rx_packets"] + values["tx_packets"]
    is_ip = (keys["kind"] == ServiceKind.PORT) | (keys["kind"] == ServiceKind.PROTOCOL)
    tcp = is_ip & (keys["protocol"] == IPPROTO_TCP)
    udp = is_ip & (keys["protocol"] == IPPROTO_UDP)
    icmp = is_ip & ((keys["protocol"] == IPPROTO_ICMP) | (keys["protocol"] == IPPROTO_ICMPV6))
    kinds = (
        is_ip & (keys["ip_version"] == 4),
        is_ip & (keys["ip_version"] == 6),
        keys["kind"] == ServiceKind.ETHERTYPE,
        tcp,
        udp,
        icmp,
        is_ip & ~tcp & ~udp & ~icmp,
    )
    return np.array([packets[of_kind].sum(dtype=np.uint64) for of_kind in kinds], np.uint64)
