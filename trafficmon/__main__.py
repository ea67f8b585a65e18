# SPDX-License-Identifier: MIT
"""``python -m trafficmon``, and the `trafficmon` script."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

# A command ends before there is garbage worth collecting, and looking for it while modules are
# imported takes a tenth of the time. What runs on and on turns it on again (top --watch).
gc.disable()

from trafficmon.cli.imports import missing_package  # noqa: E402 - after that
from trafficmon.cli.streams import prepare  # noqa: E402


def start() -> NoReturn:
    """Run the command line and end at once.

    Taking numpy down again would cost a command 15 ms and do nothing else: what is ours is closed
    by its context managers, and nothing registers with atexit.
    """
    prepare()
    try:
        _run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader has gone, as with `| head`
            stream.flush()
    os._exit(code)


def _run() -> NoReturn:
    try:
        from trafficmon.cli.main import main  # noqa: PLC0415 - what it needs may be missing
    except Exception as error:
        told = missing_package(error)
        if told is None or "--debug" in sys.argv:
            raise
        sys.stderr.write(f"trafficmon: {told}\n")
        sys.exit(told.exit_code)
    main()


if __name__ == "__main__":
    start()
