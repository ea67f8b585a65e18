# SPDX-License-Identifier: MIT
"""Which of the packets that the kernel frees early are losses, and which is housekeeping.

kfree_skb is called for each buffer that was not consumed in the regular way. Most of these are
losses. Some are not: a FIN that was still unread when its socket closed, a
retransmission of data that had arrived already, a frame for another host on a promiscuous
interface. The reasons are described in include/net/dropreason-core.h. Everything that is not known
to be housekeeping is a loss.
"""

from __future__ import annotations

from trafficmon.layout import DropFact

LOSS, HOUSEKEEPING = "loss", "housekeeping"

_NOTHING_MISSING = frozenset(
    {
        "tcp_old_data",  # its bytes had arrived before
        "tcp_ofomerge",  # likewise, while bytes before them are awaited
        "tcp_old_sequence",  # likewise, before the window: keepalive probes, repeated segments
        "tcp_old_ack",  # a later acknowledgement had arrived before
        "tcp_rfc7323_paws_ack",  # likewise, overtaken on its way
        "tcp_reset",  # a valid RST, which did what it is for
        "otherhost",  # not sent to this host: the interface is promiscuous
        "ipv6_ndisc_ns_otherhost",
    }
)
_NO_REASON = frozenset({None, "not_specified"})
_EMPTIED = frozenset({*_NO_REASON, "queue_purge"})
"""A socket is closed, and what was in its queues is freed."""
_FREES_WHAT_IT_HAS_USED = {
    "tcp_v4_rcv": _NO_REASON - {None},  # of connections in TIME_WAIT: discard_it, before 6.11
    "tcp_v6_rcv": _NO_REASON - {None},
    "igmp_rcv": _NO_REASON,  # all that comes in
    "ip6_mc_input": _NO_REASON,  # of groups that this host has not joined: it was not sent to it
    "ping_rcv": frozenset({"no_socket"}),  # echo replies: raw sockets have got copies before
    "icmpv6_rcv": _NO_REASON,  # neighbour discovery and echo requests, before 6.3
}
"""Functions that free packets without a reason when they are done with them."""


def drop_kind(reason: str | None, location: str, facts: int) -> str:
    """LOSS or HOUSEKEEPING. ``reason`` in lower case, without prefix; ``facts``: DropFact."""
    if reason in _NOTHING_MISSING:
        return HOUSEKEEPING
    if facts & DropFact.NO_DATA and reason in _EMPTIED:
        return HOUSEKEEPING
    if facts & DropFact.TIME_WAIT and reason in _NO_REASON:
        return HOUSEKEEPING
    if reason in _FREES_WHAT_IT_HAS_USED.get(location, ()):
        return HOUSEKEEPING
    return LOSS
