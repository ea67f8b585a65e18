# SPDX-License-Identifier: MIT
"""The exceptions a user may see; each carries the exit code of the contract.

str() of each is one or two lines: what is wrong, and what to do about it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


class TrafficmonError(Exception):
    """It failed while running."""

    exit_code = 1


class UsageError(TrafficmonError):
    """The command line (or a value in it) is wrong; the message says what to write instead."""

    exit_code = 2


def invalid_value(option: str, value: object, reason: str) -> UsageError:
    """For an option whose ``value`` cannot be used; ``reason``: why, and what helps."""
    return UsageError(f"invalid value for {option}: {str(value)!r} ({reason})")


def invalid_choice(
    option: str, value: str, choices: Iterable[str], close: str | None = None
) -> UsageError:
    """For an option that takes one of ``choices``; ``close``: the one that may have been meant."""
    hint = f"; did you mean {close}?" if close else ""
    known = ", ".join(choices)
    return UsageError(f"invalid value for {option}: {value!r} (choose from {known}){hint}")


def require_range(
    option: str, value: float | None, low: float, high: float, hint: str = ""
) -> None:
    """UsageError unless ``value`` lies between these, both included; NaN does not."""
    if value is None or low <= value <= high:
        return
    limits = f"from {_number(low)} to {_number(high)}{f'; {hint}' if hint else ''}"
    raise UsageError(f"invalid value for {option}: {_number(value)} ({limits})")


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class NotAttachedError(TrafficmonError):
    """Nothing is attached, so there is nothing to read."""

    exit_code = 3


class MissingPrivilegeError(TrafficmonError):
    """The process lacks a capability or a file permission; the message names it."""

    exit_code = 4


class UnsupportedError(TrafficmonError):
    """This kernel cannot do it; the message names the feature and the kernel that brought it."""

    exit_code = 5

    def __init__(self, feature: str, since: str, remedy: str = "") -> None:
        self.feature = feature
        self.since = since
        text = f"this kernel ({os.uname().release}) has no {feature}, which came with Linux {since}"
        super().__init__(f"{text}; {remedy}" if remedy else text)


class BusyError(TrafficmonError):
    """Another process has what only one can have at a time."""


class NoRoomError(TrafficmonError, OSError):
    """A file system is full, or read-only, where something small has to be written."""

    def __init__(self, errno: int, path: object) -> None:
        OSError.__init__(self, errno, os.strerror(errno))
        self.path = path

    def __str__(self) -> str:
        """One line: what, why, and what to do."""
        return f"cannot make {self.path}: {self.strerror}; make room there, then try again"


class MissingPackageError(TrafficmonError):
    """A Python package, or the compiled binding, is missing or cannot run here."""


class BrokenObjectError(TrafficmonError):
    """A compiled BPF object is damaged or missing."""


class LayoutError(TrafficmonError):
    """The pinned maps are of another record layout; nothing of them is decoded."""


class ForeignMapsError(LayoutError):
    """The pinned maps are another program's; they are left alone."""


class DamagedError(TrafficmonError):
    """A part of what is attached was taken away by others, or replaced."""

    def __init__(self, path: object, what: str) -> None:
        super().__init__(
            f"what is attached is damaged: {path} {what}; 'trafficmon attach --replace' makes it "
            "anew (counters restart), 'trafficmon detach' ends it"
        )


class BpfError(TrafficmonError, OSError):
    """The kernel (or libbpf) refused an operation on an object.

    ``errno``, ``operation`` and ``subject`` stay available to whoever catches it.
    """

    def __init__(self, errno: int, operation: str, subject: str, remedy: str = "") -> None:
        OSError.__init__(self, errno, os.strerror(errno))
        self.operation = operation
        self.subject = subject
        self.remedy = remedy

    def __str__(self) -> str:
        """One line: operation, object, the kernel's reason, the remedy."""
        text = f"cannot {self.operation} {self.subject}: {self.strerror}"
        return f"{text}; {self.remedy}" if self.remedy else text


class VerifierError(BpfError):
    """The verifier refused a program. ``log`` is its whole log."""

    def __init__(self, errno: int, program: str, log: str) -> None:
        super().__init__(errno, "load", f"BPF program {program}")
        self.log = log

    def __str__(self) -> str:
        """The telling line of the log, and how many were left out."""
        lines = [line for line in self.log.splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith(_NOISE)]
        if not telling:
            return super().__str__()
        omitted = len(lines) - 1
        more = f" ({omitted} lines of the verifier's log omitted; --debug shows them)"
        return f"{super().__str__()}: {telling[-1].strip()}{more if omitted else ''}"


_NOISE = (
    "processed ",
    "verification time",
    "stack depth",
    "insns processed",
    "-- END",
    "-- BEGIN",
    "mark_precise",
    "cur state:",
    "old state:",
)
