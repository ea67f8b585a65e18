# SPDX-License-Identifier: MIT
"""libbpf's own messages, into ``logging`` as trafficmon.libbpf.

One level lower than libbpf says: what it warns of comes back to us as an error that we explain
ourselves, so its own words are for --debug.
"""

from __future__ import annotations

from typing import Any

from trafficmon.libbpf._ffi import ffi, lib

_LEVELS = {0: 20, 1: 10, 2: 5}  # warn, info, debug of libbpf as INFO, DEBUG, and below


@ffi.def_extern()  # type: ignore[untyped-decorator]
def tm_on_log(level: int, message: Any) -> None:
    """Called from C; must not raise."""
    import logging  # readers, which libbpf says nothing to, start faster without

    said = ffi.string(message).decode(errors="replace").rstrip()
    logging.getLogger("trafficmon.libbpf").log(_LEVELS.get(level, logging.DEBUG), "%s", said)


def capture() -> None:
    """From now on libbpf writes here and no longer to standard error."""
    lib.tm_log_to_python()
