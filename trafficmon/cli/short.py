# SPDX-License-Identifier: MIT
"""Commands that end soon do two things less than other programs, and say so when they begin.

They look for no garbage: there is none worth it before they end. And they do not take the
interpreter down, which with numpy costs 15 ms and does nothing else: what is trafficmon's is closed
by its context managers, and nothing registers with atexit.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


class _Process:
    is_the_program = False  # and not another one that calls a command
    ends_at_once = False


def own_process() -> None:
    """The process runs the program and nothing else."""
    _Process.is_the_program = True


def begin() -> None:
    """The command that runs now ends soon."""
    if _Process.is_the_program:
        gc.disable()
        _Process.ends_at_once = True


def end(code: int) -> NoReturn:
    """End the process: at once after a short command, else as Python does."""
    if not _Process.ends_at_once:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader has closed it, as with `| head`
            stream.flush()
    os._exit(code)
