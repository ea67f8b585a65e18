# SPDX-License-Identifier: MIT
"""Which capabilities this process has (capabilities(7))."""

from __future__ import annotations

from pathlib import Path

from trafficmon.errors import MissingPrivilegeError

CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21
CAP_PERFMON = 38
CAP_BPF = 39

_NAMES = {
    CAP_NET_ADMIN: "CAP_NET_ADMIN",
    CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
    CAP_PERFMON: "CAP_PERFMON",
    CAP_BPF: "CAP_BPF",
}
# CAP_SYS_ADMIN stands in for these two (Linux 5.8, a17b53c4a4b5).
_IMPLIED = {CAP_PERFMON, CAP_BPF}


def effective() -> frozenset[int]:
    """The numbers of the capabilities in force."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            held = {number for number in range(64) if mask >> number & 1}
            return frozenset(held | (_IMPLIED if CAP_SYS_ADMIN in held else set()))
    return frozenset()


def missing(*needed: int) -> list[str]:
    """The names of those of ``needed`` that are not in force."""
    held = effective()
    return [_NAMES[number] for number in needed if number not in held]


def require(purpose: str, *needed: int) -> None:
    """MissingPrivilegeError naming what is missing for ``purpose``."""
    lacking = missing(*needed)
    if lacking:
        raise MissingPrivilegeError(
            f"cannot {purpose}: this process lacks {' and '.join(lacking)}; run it as root"
        )
