# SPDX-License-Identifier: MIT
"""What this kernel, this process and each interface allow; and what to do about the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trafficmon import objects
from trafficmon.attachment.host.hook import hooks_here
from trafficmon.attachment.request import WIRE_LAYERS
from trafficmon.attachment.xdp import candidates
from trafficmon.bpfobject import inspect
from trafficmon.errors import TrafficmonError
from trafficmon.hook_registry import EXISTING_SOCKETS, LAYERS, OBJECTS, SOCKET_LISTS, Variant
from trafficmon.host import bpffs, capabilities, cgroups, signals
from trafficmon.host.interfaces import all_interfaces
from trafficmon.libbpf import features
from trafficmon.libbpf.info import statistics_are_on, xdp_program
from trafficmon.libbpf.object import Object
from trafficmon.libbpf.system import libbpf_version
from trafficmon.uapi import Helper, MapType, ProgramType


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``ok`` None: could not be found out; ``advice`` only where it helps."""

    subject: str
    ok: bool | None
    detail: str
    advice: str | None = None


def examine() -> list[Finding]:
    """All findings, in the order in which things would fail."""
    findings: list[Finding] = []
    with signals.deferred() as stop_if_interrupted:
        for look in (_kernel, _privileges, _mounts, _files, _loading, _statistics, _interfaces):
            stop_if_interrupted()
            findings += _safely(look)
    return findings


def _safely(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except TrafficmonError as error:
        return [Finding(look.__name__.strip("_"), ok=None, detail=str(error))]


def _kernel() -> Iterator[Finding]:
    yield Finding("kernel", ok=True, detail=f"Linux {os.uname().release} on {os.uname().machine}")
    yield Finding("libbpf", ok=True, detail=libbpf_version())
    btf = features.has_btf()
    yield Finding(
        "kernel type information",
        btf,
        "/sys/kernel/btf/vmlinux" if btf else "missing",
        None if btf else "use a kernel built with CONFIG_DEBUG_INFO_BTF (Linux 5.2 and later)",
    )
    yield from _jit()


def _jit() -> Iterator[Finding]:
    setting = Path("/proc/sys/net/core/bpf_jit_enable")
    if not setting.exists():  # only the first network namespace shows it
        yield Finding(
            "BPF compiler (JIT)", ok=None, detail="not to be seen from this network namespace"
        )
        return
    on = setting.read_text(encoding="ascii").strip() != "0"
    yield Finding(
        "BPF compiler (JIT)",
        on,
        "on" if on else "off: programs are interpreted, ten times slower",
        None if on else "sysctl net.core.bpf_jit_enable=1",
    )


def _privileges() -> Iterator[Finding]:
    lacking = capabilities.missing(
        capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN, capabilities.CAP_PERFMON
    )
    yield Finding(
        "privileges to attach",
        not lacking,
        "all there" if not lacking else f"lacks {', '.join(lacking)}",
        "run as root" if lacking else None,
    )


def _mounts() -> Iterator[Finding]:
    mounted = bpffs.is_on_bpffs(bpffs.STANDARD_MOUNT)
    yield Finding(
        "BPF file system",
        mounted,
        f"on {bpffs.STANDARD_MOUNT}" if mounted else "not mounted",
        None if mounted else "attach mounts it; or: mount -t bpf bpf /sys/fs/bpf",
    )
    root = cgroups.version_2_root()
    yield Finding(
        "cgroup v2",
        root is not None,
        f"on {root}" if root else "not mounted",
        None if root else "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    )


def _files() -> Iterator[Finding]:
    for name in OBJECTS:
        try:
            facts = inspect(objects.path_of(name))
        except TrafficmonError as error:
            yield Finding(
                f"object {name}", ok=False, detail=str(error), advice="make bpf, or install again"
            )
        else:
            sections = ", ".join(program.name for program in facts.programs)
            yield Finding(f"object {name}", facts.has_btf, f"{sections}; {facts.licence}")


def _loading() -> Iterator[Finding]:
    """The programs, loaded and thrown away: the verifier's own word."""
    if capabilities.missing(capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN):
        yield Finding("programs load", ok=None, detail="needs root to find out")
        return
    for name in WIRE_LAYERS:
        try:
            with Object(objects.path_of(name)) as loader:
                loader.load()
                yield Finding(f"layer {name}", ok=True, detail="its programs load")
                if name == "tc":
                    yield _tcx(loader)
        except TrafficmonError as error:
            yield Finding(f"layer {name}", ok=False, detail=str(error))
    for name, variants in LAYERS.items():
        yield _first_that_loads(f"layer {name}", *variants)
    yield _first_that_loads("list of sockets", *SOCKET_LISTS)
    yield _first_that_loads("sockets older than attach", EXISTING_SOCKETS)
    frames = features.has_helper(ProgramType.XDP, Helper.XDP_GET_BUFF_LEN)
    yield Finding("XDP frames of several buffers", frames, "Linux 5.18 and later")
    ring = features.has_map_type(MapType.RINGBUF)
    yield Finding("ring buffers", ring, "Linux 5.8 and later")


def _first_that_loads(subject: str, *variants: Variant) -> Finding:
    refusals = []
    for variant in variants:
        try:
            with Object(objects.path_of(variant.object)) as loader:
                loader.keep_only(*(hook.program for hook in hooks_here(variant)))
                loader.load()
        except TrafficmonError as error:
            refusals.append(f"{variant.mode}: {error}")
        else:
            return Finding(subject, ok=True, detail=f"its programs load ({variant.mode})")
    return Finding(subject, ok=False, detail="; ".join(refusals))


def _tcx(loader: Object) -> Finding:
    with loader.program("tm_tc_tx") as program:
        found = features.has_tcx(program)
    return Finding(
        "tcx links", found, "Linux 6.6 and later" + ("" if found else "; clsact filters instead")
    )


def _statistics() -> Iterator[Finding]:
    on = statistics_are_on()
    yield Finding(
        "run statistics",
        on,
        "on" if on else "off: status shows no run counts",
        None if on else "sysctl kernel.bpf_stats_enabled=1 (costs 20 ns a packet)",
    )


def _interfaces() -> Iterator[Finding]:
    for interface in all_interfaces().values():
        modes, reason = candidates(interface, ("auto",))
        holder = xdp_program(interface.ifindex) if modes else None
        detail = "XDP native if its driver has it" if modes else f"XDP off: {reason}"
        if holder is not None:
            detail = f"XDP off: it carries another XDP program (id {holder}); tc counts"
        yield Finding(f"interface {interface.name}", ok=True, detail=detail)
