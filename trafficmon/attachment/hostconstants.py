# SPDX-License-Identifier: MIT
"""What the programs of the host's layers have to know before they are loaded."""

from __future__ import annotations

from trafficmon.attachment.hosthooks import BY_CALLERS, ON_SOCKETS
from trafficmon.attachment.store import Store
from trafficmon.host.cgroups import Cgroup
from trafficmon.libbpf import features
from trafficmon.libbpf.features import Helper, ProgramType


def constants_of(store: Store, name: str, cgroup: Cgroup, app_mode: str) -> dict[str, int]:
    """The constants of the object called ``name``; ``app_mode``: how the app layer is attached."""
    cpus = {"tm_cpus": store.geometry().cpus}
    watched = {"tm_cgroup_id": cgroup.id}
    netns = {"tm_netns_cookie": int(store.meta()["netns_cookie"])}
    match name:
        case "cgroup":
            return {
                **cpus,
                **netns,
                **_may_ask_for_task(),
                "tm_ask_callers": int(app_mode in BY_CALLERS),
                "tm_app_on_sockets": int(app_mode in ON_SOCKETS and may_make_up()),
            }
        case "calls":
            return {**cpus, **watched, **_may_ask_for_task()}
        case "sockops":
            return {**cpus, "tm_second_jiffies": store.second_jiffies()}
        case "app" | "older":
            return {**cpus, **watched, **(netns if name == "older" else {})}
        case "drops":
            return {**cpus, "tm_second_jiffies": store.second_jiffies(), **_drop_reasons()}
        case _:
            return {}


def may_make_up() -> bool:
    """Whether the last close can look at the socket for calls that were missed."""
    return features.may_read_kernel(ProgramType.CGROUP_SOCK)


def _may_ask_for_task() -> dict[str, int]:
    """All who tell owners have to tell the same."""
    may_ask = features.has_helper(ProgramType.CGROUP_SOCK, Helper.GET_CURRENT_TASK)
    return {"tm_read_task": int(may_ask)}


def _drop_reasons() -> dict[str, int]:
    """Since 5.17 kfree_skb tells a reason; which number means "no drop" changed with time."""
    numbers = features.kernel_enumerators("skb_drop_reason")
    consumed = numbers.get("SKB_CONSUMED", 0)
    return {"tm_has_reason": int(bool(numbers)), "tm_reason_consumed": consumed}
