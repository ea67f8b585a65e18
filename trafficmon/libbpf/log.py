# SPDX-License-Identifier: MIT
"""libbpf's own messages, into ``logging`` as trafficmon.libbpf.

One level lower than libbpf says: what it warns of comes back to us as an error that we explain
ourselves, so its own words are for --debug.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from trafficmon.libbpf._ffi import ffi, lib

warnings: deque[str] = deque(maxlen=64)
"""The last of what libbpf warned of: which map could not be made, it says nowhere else."""

_LEVELS = {0: 20, 1: 10, 2: 5}  # warn, info, debug of libbpf as INFO, DEBUG, and below


@ffi.def_extern()  # type: ignore[untyped-decorator]
def tm_on_log(level: int, message: Any) -> None:
    """Called from C; must not raise."""
    said = ffi.string(message).decode(errors="replace").rstrip()
    if level == 0:
        warnings.append(said)
    if "logging" not in sys.modules:
        return
    import logging

    logging.getLogger("trafficmon.libbpf").log(_LEVELS.get(level, logging.DEBUG), "%s", said)


def capture() -> None:
    """From now on libbpf writes here and no longer to standard error.

    Only what is read: an attach makes hundreds of messages an interface, each a call into Python.
    """
    lib.tm_log_to_python(_most())


def _most() -> int:
    """The highest level of libbpf's that is logged; warnings are taken in any case."""
    if "logging" not in sys.modules:
        return 0
    import logging

    logger = logging.getLogger("trafficmon.libbpf")
    return max((of for of, level in _LEVELS.items() if logger.isEnabledFor(level)), default=0)
