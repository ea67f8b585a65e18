# SPDX-License-Identifier: MIT
"""What a sample is of: a machine, what is attached to it, and the clocks at the time."""

from __future__ import annotations

from typing import NamedTuple


class Machine(NamedTuple):
    """``boot_id`` is of /proc/sys/kernel/random/boot_id: counters and clocks begin with a boot."""

    host_name: str
    kernel_release: str
    boot_id: str


class Epoch(NamedTuple):
    """For as long as counters grow: they begin anew with a boot, and with another attach."""

    boot_id: str
    attached_at_ns: int


class HostHook(NamedTuple):
    """A hook that there is once on a host, by its name in hook_registry.HOST_HOOKS."""

    kind: str
    layer: str
    mode: str


class Attachment(NamedTuple):
    """From the map `meta`. Counters are of the time since ``attached_at_ns`` (since 1970).

    ``where``: what was read, for people; ``cgroup``: the watched one, "" without one.
    ``netns_cookie`` is 0 where the kernel has none.
    """

    where: str
    version: str
    attached_at_ns: int
    cgroup: str
    netns_inode: int
    netns_cookie: int
    max_flows: int
    hooks: tuple[HostHook, ...]

    def has_hook(self, kind: str) -> bool:
        """Whether a hook of the host was attached, and not detached by trafficmon."""
        return any(hook.kind == kind for hook in self.hooks)

    def has_layer(self, layer: str) -> bool:
        """Whether a layer of the host is attached, by any of its hooks."""
        return any(hook.layer == layer for hook in self.hooks)


class Clock(NamedTuple):
    """Readings of the clocks when the sample was complete; CLOCK_* are the kernel's own.

    A time namespace's offsets are not in them. ``jiffies_at`` and ``monotonic_ns_at`` were read
    together by attach: jiffies and CLOCK_MONOTONIC run in step (kernel/time/tick-sched.c: jiffies
    are counted up from ktime), so one common reading holds until the next boot.
    """

    taken_at_ns: int  # CLOCK_REALTIME, since 1970, UTC
    monotonic_ns: int
    boottime_ns: int
    jiffies_at: int
    monotonic_ns_at: int
    jiffy_ns: int

    @property
    def wall_minus_monotonic_ns(self) -> int:
        """What turns CLOCK_MONOTONIC into nanoseconds since 1970."""
        return self.taken_at_ns - self.monotonic_ns

    @property
    def jiffies(self) -> int:
        """What the kernel's jiffies were about then."""
        return self.jiffies_at + (self.monotonic_ns - self.monotonic_ns_at) // self.jiffy_ns

    def seconds(self, jiffies: int) -> float:
        """Seconds since 1970; no later than the sample itself."""
        passed_ns = (jiffies - self.jiffies_at) * self.jiffy_ns
        return min(self.wall_ns(self.monotonic_ns_at + passed_ns), self.taken_at_ns) / 1e9

    def wall_ns(self, monotonic_ns: int) -> int:
        """Nanoseconds since 1970 of a moment on CLOCK_MONOTONIC."""
        return monotonic_ns + self.wall_minus_monotonic_ns
