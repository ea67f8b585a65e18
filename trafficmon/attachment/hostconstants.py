# SPDX-License-Identifier: MIT
"""What the programs of the host's layers have to know before they are loaded."""

from __future__ import annotations

from trafficmon.attachment.store import Store
from trafficmon.host.cgroups import Cgroup
from trafficmon.libbpf import features
from trafficmon.libbpf.features import Helper, ProgramType


def constants_of(store: Store, name: str, cgroup: Cgroup) -> dict[str, int]:
    """The constants of the object called ``name``."""
    cpus = {"tm_cpus": store.geometry().cpus}
    watched = {"tm_cgroup_id": cgroup.id}
    match name:
        case "cgroup":
            may_ask = features.has_helper(ProgramType.CGROUP_SOCK, Helper.GET_CURRENT_TASK)
            return {**cpus, "tm_read_task": int(may_ask)}
        case "app" | "older":
            return {**cpus, **watched}
        case "drops":
            return _drop_reasons()
        case _:
            return {}


def _drop_reasons() -> dict[str, int]:
    """Since 5.17 kfree_skb tells a reason; which number means "no drop" changed with time."""
    numbers = features.kernel_enumerators("skb_drop_reason")
    consumed = numbers.get("SKB_CONSUMED", 0)
    return {"tm_has_reason": int(bool(numbers)), "tm_reason_consumed": consumed}
