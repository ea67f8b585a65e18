# SPDX-License-Identifier: MIT
"""``python -m trafficmon``, and the `trafficmon` script."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

# While modules are imported there is no garbage, and looking for it takes a tenth of the time.
gc.disable()

from trafficmon.cli.imports import missing_package  # noqa: E402 - after that
from trafficmon.cli.short import end, own_process  # noqa: E402
from trafficmon.cli.streams import prepare  # noqa: E402


def start() -> NoReturn:
    """Run the command line, then end the process."""
    prepare()
    own_process()
    try:
        _run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    end(code)


def _run() -> NoReturn:
    try:
        from trafficmon.cli.main import main  # noqa: PLC0415 - what it needs may be missing
    except Exception as error:
        missing = missing_package(error)
        if missing is None or "--debug" in sys.argv:
            raise
        sys.stderr.write(f"trafficmon: {missing}\n")
        sys.exit(missing.exit_code)
    gc.freeze()  # else the first look at all that was imported would take 5 ms
    gc.enable()  # for commands that run on; the short ones turn it off again
    main()


if __name__ == "__main__":
    start()
