# SPDX-License-Identifier: MIT
"""What is in sums over interfaces twice, and which interface to leave out.

A tunnel stays in the sums, other than what sits on another interface: its carrier shows the
tunnel's ends and no more, so leaving it out by ourselves would hide the hosts and ports inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trafficmon.attachment.stacking import below
from trafficmon.host import tunnels
from trafficmon.host.interfaces import Interface

_NAMED = 3


def notes(attached: Sequence[Interface], known: Sequence[Interface]) -> list[str]:
    """A line for each tunnel, and each veth pair, that is attached together with its other half."""
    return [
        *_pairs(attached),
        *(note for one in attached for note in _tunnel(one, attached, known)),
    ]


def _pairs(attached: Sequence[Interface]) -> Iterator[str]:
    by_index = {one.ifindex: one for one in attached if one.kind == "veth"}
    for one in by_index.values():
        peer = by_index.get(one.lower)
        if peer is not None and one.ifindex < peer.ifindex:
            yield (
                f"{one.name} and {peer.name} are the two ends of one pair: what passes is in sums "
                f"over interfaces twice; 'trafficmon detach --iface {peer.name}' leaves one out"
            )


def _tunnel(
    tunnel: Interface, attached: Sequence[Interface], known: Sequence[Interface]
) -> Iterator[str]:
    if not tunnels.is_tunnel(tunnel):
        return
    through, is_known = _carriers(tunnel, attached, known)
    if through:
        names = _some([one.name for one in through])
        carries = "leaves" if is_known else "may leave"
        yield (
            f"what passes the tunnel {tunnel.name} {carries} inside of packets of {names}, so sums "
            f"over interfaces have it twice; leave one out: 'trafficmon detach --iface "
            f"{tunnel.name}' keeps what is on the wire, 'trafficmon detach --iface "
            f"{through[0].name}' the hosts and ports inside"
        )


def _carriers(
    tunnel: Interface, attached: Sequence[Interface], known: Sequence[Interface]
) -> tuple[list[Interface], bool]:
    """Those of ``attached`` that a tunnel's packets pass, and whether the kernel named them."""
    number = tunnels.carrier(tunnel)
    if number is None:
        others = [one for one in attached if not (tunnels.is_tunnel(one) or one.is_loopback)]
        return [one for one in others if one.is_physical] or others, False
    first = [one for one in known if one.ifindex == number]
    passed = {number}.union(*(below(one, known) for one in first))
    return [one for one in attached if one.ifindex in passed and one is not tunnel], True


def _some(names: list[str]) -> str:
    first, more = names[:_NAMED], len(names) - _NAMED
    return " or ".join(first) + (f" or {more} more" if more > 0 else "")
