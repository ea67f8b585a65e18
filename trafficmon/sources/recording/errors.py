# SPDX-License-Identifier: MIT
"""What can be wrong with the file of a recording."""

from __future__ import annotations

from trafficmon.errors import TrafficmonError


class RecordingError(TrafficmonError):
    """It cannot be read: not a recording, of another version, or damaged."""

    def __init__(self, name: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"cannot read {name!r}: {reason}; make a new one with 'trafficmon record FILE'"
        )


class RecordingFileError(TrafficmonError):
    """The file cannot be opened, made or written."""

    def __init__(self, doing: str, name: str, error: OSError, remedy: str) -> None:
        super().__init__(f"cannot {doing} {name!r}: {error.strerror}; {remedy}")
