# SPDX-License-Identifier: MIT
"""libbpf's own messages, into ``logging`` as trafficmon.libbpf.

One level lower than libbpf says: what it warns of comes back to us as an error that we explain
ourselves, so its own words are for --debug.
"""

from __future__ import annotations

import logging
from typing import Any

from trafficmon.libbpf._ffi import ffi, lib

logger = logging.getLogger("trafficmon.libbpf")

_LEVELS = {0: logging.INFO, 1: logging.DEBUG, 2: logging.DEBUG - 5}


@ffi.def_extern()  # type: ignore[untyped-decorator]
def tm_on_log(level: int, message: Any) -> None:
    """Called from C; must not raise."""
    said = ffi.string(message).decode(errors="replace").rstrip()
    logger.log(_LEVELS.get(level, logging.DEBUG), "%s", said)


def capture() -> None:
    """From now on libbpf writes here and no longer to standard error."""
    lib.tm_log_to_python()
