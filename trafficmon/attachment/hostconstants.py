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
    watched = {"tm_cgroup_id": cgroup.id}
    netns = {"tm_netns_cookie": int(store.meta()["netns_cookie"])}
    second = {"tm_second_jiffies": store.second_jiffies()}
    match name:
        case "cgroup":
            more = {
                **netns,
                **_may_ask_for_task(),
                "tm_ask_callers": int(app_mode in BY_CALLERS),
                "tm_app_on_sockets": int(app_mode in ON_SOCKETS and may_make_up()),
            }
        case "calls":
            more = watched | _may_ask_for_task()
        case "sockops":
            more = second
        case "app":
            more = watched
        case "older":
            more = watched | netns
        case "drops":
            more = second | _drop_reasons()
        case _:
            return {}
    return {"tm_cpus": store.geometry().cpus} | more


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
