# SPDX-License-Identifier: MIT
"""The parts that a sample can hold. Without numpy, so that reading can begin before that."""

from __future__ import annotations

from enum import Flag, auto


class Part(Flag):
    """What one reading of a source gives; a table names those that it is made of.

    The order is the one in which a source reads them. Interfaces come before the counters of their
    slots, which another interface may get meanwhile; the ledger and services come before flows, so
    that what begins in between is no loss; owners come before sockets, which hand over to them.
    """

    INTERFACES = auto()
    """Those with counters, attached or no longer."""
    FINDINGS = auto()
    """Whether each hook is still there."""
    INTERFACE_NAMES = auto()
    """By the numbers that flows have."""
    HOOK_COUNTERS = auto()
    LAYERS = auto()
    OWNERS = auto()
    SOCKETS = auto()
    NAMES = auto()
    """Of the owners' users, processes and cgroups."""
    PROCESS_LABELS = auto()
    """Executables and command lines, as the kernel's programs noted them."""
    LINK_NAMES = auto()
    """Of the links that sockets are bound to."""
    LEDGER = auto()
    SERVICES = auto()
    FLOWS = auto()
    DROPS = auto()
    EVENT_COUNTS = auto()
    REMOTE_NAMES = auto()
    DNS = auto()
    """Names that were queried."""
    DNS_LOSSES = auto()
    PROGRAMS = auto()
    """The kernel's facts about the attached programs."""
    MAP_SIZES = auto()
    """How many entries maps have room for."""
