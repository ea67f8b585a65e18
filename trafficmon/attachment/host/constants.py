# SPDX-License-Identifier: MIT
"""The constants that the programs of the host's layers are loaded with."""

from __future__ import annotations

from trafficmon.attachment.store import Store
from trafficmon.hook_registry import BY_CALLERS, HOST_HOOKS, ON_SOCKETS, PROCESS_NAMES, Hook
from trafficmon.host.cgroups import Cgroup
from trafficmon.libbpf import features
from trafficmon.uapi import Helper, ProgramType

_RECEIVER_ARGUMENT = 3  # of kfree_skb, include/trace/events/skb.h


def constants_of(store: Store, name: str, cgroup: Cgroup, app_mode: str) -> dict[str, int]:
    """The constants of the object called ``name``; ``app_mode``: how the app layer is attached."""
    watched = {"tm_cgroup_id": cgroup.id}
    netns = {"tm_netns_cookie": int(store.meta()["netns_cookie"])}
    second = {"tm_second_jiffies": store.second_jiffies()}
    match name:
        case "cgroup":
            more = {
                **watched,
                **netns,
                **_may_ask_for_task(),
                **_may_ask_on_packets(),
                "tm_use_last_users": int(app_mode in BY_CALLERS),
                "tm_app_on_sockets": int(app_mode in ON_SOCKETS and may_make_up()),
            }
        case "app_fallback":
            more = watched | _may_ask_for_task()
        case "sockops":
            more = second
        case "app":
            more = watched
        case "iter_task_file":
            more = watched | netns
        case "drops":
            more = second | netns | _drop_arguments() | _watched_drops(store, cgroup)
        case _:
            return {}
    return {"tm_cpus": store.geometry().cpus} | more


def may_make_up() -> bool:
    """Whether the last close can look at the socket for calls that were missed."""
    return features.may_read_kernel(ProgramType.CGROUP_SOCK)


def _may_ask_for_task() -> dict[str, int]:
    """All programs that name owners have to name the same ones."""
    may_ask = features.has_helper(ProgramType.CGROUP_SOCK, Helper.GET_CURRENT_TASK)
    return {"tm_read_task": int(may_ask)}


def _may_ask_on_packets() -> dict[str, int]:
    """Helpers that programs on packets may call: they differ between kernels."""

    def may(helper: Helper) -> bool:
        return features.has_helper(ProgramType.CGROUP_SKB, helper)

    reads = features.may_read_kernel(ProgramType.CGROUP_SKB)
    regs = may(Helper.GET_CURRENT_TASK_BTF) and may(Helper.TASK_PT_REGS)
    asks = int(reads and may(Helper.GET_CURRENT_TASK))
    return {
        "tm_read_kernel": int(reads),
        "tm_may_check_sender": asks,
        "tm_may_take_over": asks,
        "tm_has_regs": int(regs),
        "tm_has_pid": int(may(Helper.GET_CURRENT_PID_TGID)),
        "tm_has_mptcp": int(may(Helper.SKC_TO_MPTCP_SOCK)),
    }


def _drop_arguments() -> dict[str, int]:
    """Arguments of kfree_skb: a reason since 5.17, the receiving socket since 6.11.

    Which number means "no drop" changed with time.
    """
    numbers = features.kernel_enumerators("skb_drop_reason")
    arguments = features.tracepoint_arguments("kfree_skb")
    return {
        "tm_has_reason": int(bool(numbers)),
        "tm_has_receiver": int(arguments > _RECEIVER_ARGUMENT),
        "tm_reason_consumed": numbers.get("SKB_CONSUMED", 0),
    }


def _watched_drops(store: Store, cgroup: Cgroup) -> dict[str, int]:
    """Sockets are watched where the cgroup layer is attached."""
    return {
        "tm_netns_inode": int(store.meta()["netns_inode"]),
        "tm_has_snprintf": int(features.names_functions()),
        "tm_location_seed": int(store.meta()["seed"]),
        "tm_cgroup_id": watched_by(store, HOST_HOOKS["drop"], cgroup),
    }


def watched_by(store: Store, hook: Hook, cgroup: Cgroup) -> int:
    """The id of the cgroup that a hook is attached to, or that its program looks for; 0: none."""
    if hook.layer == "drops":
        return cgroup.id if store.host_hook("cgroup_rx")["program_id"] else 0
    watches_all = hook.mode == "iterator" or hook in PROCESS_NAMES.hooks
    return 0 if watches_all else cgroup.id
