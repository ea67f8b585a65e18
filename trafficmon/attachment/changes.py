# SPDX-License-Identifier: MIT
"""What a request changes at an interface that is attached already."""

from __future__ import annotations

import dataclasses
from typing import Any

from trafficmon.attachment import interface as one_interface
from trafficmon.attachment.interface import Attached
from trafficmon.attachment.request import Request
from trafficmon.attachment.xdp import is_worth_trying
from trafficmon.host.interfaces import Interface
from trafficmon.layout import InterfaceState


def as_it_was(before: Any, request: Request) -> Request:
    """What is attached and was lost comes back in its modes, unless the request names others."""
    if before["state"] != InterfaceState.ATTACHED:
        return request
    known = one_interface.describe(before)
    xdp_modes, tc_mode, layers = request.xdp_modes, request.tc_mode, request.layers
    if xdp_modes == ("auto",) and known.xdp_mode != "off":
        xdp_modes = (known.xdp_mode,)
    if tc_mode == "auto" and known.tc_mode == "clsact":
        tc_mode = known.tc_mode
    if not request.layers_named and not known.dns:
        layers = tuple(layer for layer in layers if layer != "dns")
    return dataclasses.replace(request, xdp_modes=xdp_modes, tc_mode=tc_mode, layers=layers)


def wants_change(interface: Interface, current: Attached, request: Request) -> bool:
    """Whether the request names something that is not in force, and could be."""
    return (
        _wants_other_xdp(interface, current, request)
        or _wants_other_tc(current, request)
        or wants_other_dns(current, request)
    )


def wants_other_dns(current: Attached, request: Request) -> bool:
    """Whether DNS messages are copied and are not to be, or the reverse."""
    return request.layers_named and current.dns != ("dns" in request.layers)


def _wants_other_xdp(interface: Interface, current: Attached, request: Request) -> bool:
    if "xdp" not in request.layers:
        return current.xdp_mode != "off"
    if request.xdp_modes == ("auto",) or current.xdp_mode in request.xdp_modes:
        return False
    if current.xdp_mode != "off":
        return True
    return is_worth_trying(interface, request.xdp_modes, current.reason)


def _wants_other_tc(current: Attached, request: Request) -> bool:
    if "tc" not in request.layers:
        return current.tc_mode != "off"
    return request.tc_mode not in ("auto", current.tc_mode)
