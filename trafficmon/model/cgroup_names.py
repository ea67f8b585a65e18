# SPDX-License-Identifier: MIT
"""What the path of a cgroup says: the systemd unit, and the container.

Paths as systemd, Docker, containerd, CRI-O, podman, Kubernetes, LXC and systemd-nspawn make them.
They come from strangers: nothing here raises, whatever a path holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_UNIT = re.compile(
    r".+\.(?:service|scope|slice|socket|mount|swap|target|timer|path|device|automount)"
)
_ID = r"[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{12}"
_SCOPES = (
    ("docker", re.compile(rf"docker-({_ID})\.scope")),
    ("containerd", re.compile(rf"cri-containerd-({_ID})\.scope")),
    ("cri-o", re.compile(rf"crio-({_ID})(?:\.scope)?")),
    ("podman", re.compile(rf"libpod-({_ID})(?:\.scope)?")),
    ("nspawn", re.compile(r"systemd-nspawn@(.+)\.service")),
    ("machine", re.compile(r"machine-(.+)\.scope")),
    ("lxc", re.compile(r"lxc\.payload\.(.+)")),
)
_PARENTS = {"docker": "docker", "lxc": "lxc", "libpod_parent": "podman", "actions_job": "docker"}
_BARE_ID = re.compile(rf"(?:{_ID})")
_CONTAINERD_ROOTS = ("kubepods", "default", "nerdctl", "containerd")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


@dataclass(frozen=True)
class CgroupName:
    """``path`` below the root of the hierarchy; the others None where it has none."""

    path: str
    unit: str | None
    container: str | None
    runtime: str | None


def name_of(path: str) -> CgroupName:
    """What ``path`` says."""
    parts = [part for part in path.split("/") if part]
    container, runtime = _container(parts)
    return CgroupName(path, _unit(parts), container, runtime)


def _unit(parts: list[str]) -> str | None:
    """The innermost; a slice only where there is nothing more special."""
    units = [part for part in parts if _UNIT.fullmatch(part)]
    special = [unit for unit in units if not unit.endswith(".slice")]
    chosen = (special or units)[-1:]
    return _unescaped(chosen[0]) if chosen else None


def _container(parts: list[str]) -> tuple[str | None, str | None]:
    for part in reversed(parts):
        for runtime, pattern in _SCOPES:
            if found := pattern.fullmatch(part):
                return _unescaped(found[1]), runtime
    for above, part in reversed(list(pairwise(parts))):
        if above in _PARENTS and (above == "lxc" or _BARE_ID.fullmatch(part)):
            return _unescaped(part), _PARENTS[above]
    is_deep = len(parts) > 1 and parts[0].startswith(_CONTAINERD_ROOTS)
    if is_deep and _BARE_ID.fullmatch(parts[-1]):
        return parts[-1], "containerd"
    return None, None


def _unescaped(name: str) -> str:
    """What systemd has escaped, as characters."""
    return _ESCAPE.sub(lambda code: chr(int(code[1], 16)), name)
