# SPDX-License-Identifier: MIT
"""The options of attach, checked before anything is changed."""

from __future__ import annotations

import grp
from dataclasses import dataclass
from pathlib import Path

from trafficmon import hook_registry
from trafficmon.errors import UsageError, invalid_choice, invalid_value, require_range
from trafficmon.host import cgroups, netns
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.layout import NO_GROUP
from trafficmon.suggest import closest

WIRE_LAYERS = ("xdp", "tc")
COPYING_LAYERS = ("dns",)
"""Part of the wire's programs; not there without one of them."""

HOST_LAYERS = tuple(hook_registry.LAYERS)
LAYERS = (*WIRE_LAYERS, *COPYING_LAYERS, *HOST_LAYERS)
"""The layers that there are: at each interface, and once on the host."""

APP_MODES = ("auto", *hook_registry.APP_MODES)
TC_MODES = ("auto", "tcx", "clsact")
XDP_MODES = ("auto", "native", "generic", "offload", "off")
DEFAULT_MAX_FLOWS = 131072
LEAST_MAX_FLOWS = 1024
_FLOW_LIMITS = (LEAST_MAX_FLOWS, 16_777_216)


@dataclass(frozen=True)
class Request:
    """Checked options. No interfaces: those attached if replacing, else the default route's."""

    interfaces: tuple[Interface, ...] = ()
    xdp_modes: tuple[str, ...] = ("auto",)
    layers: tuple[str, ...] = LAYERS
    layers_named: bool = False  # named one by one: what this kernel lacks is an error
    max_flows: int | None = None  # None: the default, or what is attached already
    group_id: int = NO_GROUP
    cgroup: Path | None = None  # None: what is attached already, or the root of the hierarchy
    replace: bool = False
    tc_mode: str = "auto"
    app_mode: str = "auto"


def interfaces_named(names: list[str]) -> tuple[Interface, ...]:
    """The interfaces of those names, each once."""
    known = all_interfaces()
    return tuple(_known_interface(name, known) for name in dict.fromkeys(names))


def usual_interfaces() -> tuple[Interface, ...]:
    """The interface of the default route, which stands in where none is named."""
    name = netns.default_route_interface()
    if name is None:
        raise UsageError(
            "no --iface given and this host has no default route to take it from; "
            f"there are: {', '.join(sorted(netns.names()))}"
        )
    return interfaces_named([name])


def _known_interface(name: str, known: dict[str, Interface]) -> Interface:
    if name in known:
        return known[name]
    raise invalid_choice("--iface", name, sorted(known), closest(name, known))


def parse_xdp_modes(text: str) -> tuple[str, ...]:
    """``MODE[,MODE]`` in the order to try."""
    modes = tuple(mode.strip() for mode in text.split(",") if mode.strip())
    for mode in modes:
        if mode not in XDP_MODES:
            raise invalid_choice("--xdp", mode, XDP_MODES)
    if not modes or ("auto" in modes and len(modes) > 1):
        raise invalid_value("--xdp", text, "auto alone, or a list such as native,generic")
    return modes


def parse_tc_mode(text: str) -> str:
    """How tc is to be attached."""
    if text not in TC_MODES:
        raise invalid_choice("--tc", text, TC_MODES)
    return text


def parse_app_mode(text: str) -> str:
    """By which of the kernel's hooks applications' bytes are to be counted."""
    if text not in APP_MODES:
        raise invalid_choice("--app", text, APP_MODES)
    return text


def parse_layers(text: str | None) -> tuple[str, ...]:
    """``LAYER,LAYER``; None means all that there are."""
    if text is None:
        return LAYERS
    requested = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for layer in requested:
        if layer not in LAYERS:
            raise invalid_choice("--layer", layer, LAYERS)
    if not requested:
        raise invalid_choice("--layer", text, LAYERS)
    if "dns" in requested and not set(requested) & set(WIRE_LAYERS):
        raise UsageError("--layer dns: messages are copied by tc and xdp; add tc to --layer")
    return requested


def require_wire_layer(layers: tuple[str, ...], interfaces: list[str] | None) -> None:
    """UsageError where interfaces are named, and no layer that is at interfaces."""
    if interfaces and not set(layers) & set(WIRE_LAYERS):
        raise UsageError(
            f"--iface {interfaces[0]}: of the requested layers ({','.join(layers)}) none is at an "
            "interface; leave --iface out, or add tc to --layer"
        )


def parse_max_flows(requested: int | None) -> int | None:
    """A sensible table size."""
    require_range("--max-flows", requested, *_FLOW_LIMITS)
    return requested


def group_number(name: str | None) -> int:
    """The id of the readers' group."""
    if name is None:
        return NO_GROUP
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        reason = f"there is no such group; make it with: groupadd {name}"
        raise invalid_value("--group", name, reason) from None


def cgroup_path(requested: Path | None) -> Path | None:
    """The requested cgroup v2, if any."""
    return None if requested is None else cgroups.require_version_2(requested)
