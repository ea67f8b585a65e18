# SPDX-License-Identifier: MIT
"""What is wrong with a running attachment, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trafficmon.errors import NotAttachedError
from trafficmon.layout import InterfaceState
from trafficmon.model.attachment import HostHook
from trafficmon.model.sample import Sample
from trafficmon.model.verdicts import ALIVE, Condition, InterfaceFinding, Presence, Verdict

_MOST_NAMES = 5
_LEFT = {
    Presence.GONE: (
        "{} was removed; its counters keep their values",
        "{} were removed; their counts stay in the totals",
    ),
    Presence.NAMESPACE_GONE: (
        "{} was removed with its network namespace; its counters keep their values",
        "{} were removed with their network namespace; their counters keep their values",
    ),
    Presence.MOVED: (
        "{} moved to another network namespace and is counted there; detach ends that",
        "{} moved to other network namespaces and are counted there; detach ends that",
    ),
}
_FOREIGN = {
    "tc_rx": (
        "programs of others come before ours on the way in (id {}): what they drop or redirect is "
        "not counted"
    ),
    "tc_tx": (
        "programs of others come after ours on the way out (id {}): what they drop is counted as "
        "sent"
    ),
}
_REPAIR = "'trafficmon attach --replace'"


def is_wrong(sample: Sample) -> bool:
    """Whether something that attach has made counts no more, or will not for long."""
    return sample.findings.is_wrong or any(
        interface.state == InterfaceState.ATTACHING for interface in sample.interfaces
    )


def without_sockets(sample: Sample, what: str) -> NotAttachedError:
    """Why there is no list of sockets; ``what``: the cgroup layer would do with it."""
    if sample.has_hook("sockets"):
        return NotAttachedError(f"the list of sockets was taken away; {_REPAIR} puts it back")
    return NotAttachedError(
        f"the cgroup layer, which {what}, is not attached; "
        "'trafficmon attach --layer cgroup,sockops,app' adds it"
    )


def complaints(sample: Sample) -> list[str]:
    """One line for each thing that is meant to count and does not, with what helps."""
    found = list(sample.findings.interfaces.values())
    lines = [
        f"an attach to {interface.name} was interrupted; 'trafficmon attach --iface "
        f"{interface.name}' finishes it"
        for interface in sample.interfaces
        if interface.state == InterfaceState.ATTACHING
    ]
    lines += _gone(found)
    for one in found:
        if not one.has_gone:
            lines += _at_interface(one)
    return [*lines, *_on_host(sample.findings.host, sample.attachment.hooks)]


def _gone(found: list[InterfaceFinding]) -> Iterator[str]:
    """Those that left for good in one line: containers come and go by the dozen."""
    for presence, (one, several) in _LEFT.items():
        left = [f.name for f in found if f.presence == presence and f.back_as is None]
        if left:
            yield (one if len(left) == 1 else several).format(_listed(left))
    for interface in found:
        if interface.back_as is not None:
            yield (
                f"{interface.name} was removed and is back as number {interface.back_as}, not "
                f"counted: 'trafficmon attach --iface {interface.name}' counts on"
            )


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _at_interface(one: InterfaceFinding) -> Iterator[str]:
    for verdict, kinds in _by_verdict(one.hooks):
        yield _sentence(f"{one.name} ({', '.join(kinds)}) is", verdict)
    for kind, verdict in one.hooks.items():
        if verdict.foreign:
            ids = ", ".join(map(str, verdict.foreign))
            yield f"{one.name}: {_FOREIGN[kind].format(ids)}"


def _on_host(host: dict[str, Verdict], hooks: tuple[HostHook, ...]) -> Iterator[str]:
    made = [hook for hook in hooks if hook.kind in host]
    for verdict, kinds in _by_verdict(host):
        layers = list(_by_layer(kinds, made))
        noun, verb = ("layer", "is") if len(layers) == 1 else ("layers", "are")
        yield _sentence(f"{noun} {', '.join(layers)} {verb}", verdict)
    if _loses_at_close(host):
        yield "sockets that are closed while sock_release is away take their counts with them"


def _loses_at_close(host: dict[str, Verdict]) -> bool:
    """Not where packets are not counted either: then the cgroup went, and before it its sockets."""
    release, packets = host.get("sock_release", ALIVE), host.get("cgroup_rx", ALIVE)
    return release.condition in (Condition.GONE, Condition.REPLACED) and not packets.is_wrong


def _by_layer(kinds: list[str], made: list[HostHook]) -> Iterator[str]:
    """A layer with those of its hooks that are meant, where not all are."""
    layer_of = {hook.kind: hook.layer for hook in made}
    for layer in dict.fromkeys(layer_of[kind] for kind in kinds):
        meant = [kind for kind in kinds if layer_of[kind] == layer]
        counting = {h.kind for h in made if h.layer == layer and h.mode != "iterator"}
        yield layer if counting <= {*meant} else f"{layer} ({', '.join(meant)})"


def _by_verdict(hooks: dict[str, Verdict]) -> Iterable[tuple[Verdict, list[str]]]:
    grouped: dict[tuple[Condition, str], tuple[Verdict, list[str]]] = {}
    for kind, verdict in hooks.items():
        if verdict.is_wrong:
            key = verdict.condition, verdict.reason
            grouped.setdefault(key, (verdict, []))[1].append(kind)
    return grouped.values()


def _sentence(what: str, verdict: Verdict) -> str:
    """``what``: the subject and its verb."""
    if verdict.condition == Condition.UNPINNED:
        return f"{what} counted, but {verdict.reason}; {_REPAIR} puts it back"
    return f"{what} not counted: {verdict.reason}; {_REPAIR} counts on"
