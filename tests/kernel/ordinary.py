# SPDX-License-Identifier: MIT
"""The program run by someone who is not root.

The interpreter may lie where only root can look (a virtual environment in root's home). So what
the commands need is imported by root, some of it by running a few that change nothing; then root
becomes nobody, for good, before the command begins.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from subprocess import CompletedProcess

from tests.kernel.program import PATIENCE_S, within
from tests.lab.namespace import Namespace

NOBODY = 65534
_BECOME = """
import os, pkgutil, sys
from importlib import import_module
import trafficmon
for module in pkgutil.walk_packages(trafficmon.__path__, "trafficmon."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
from trafficmon.host.interfaces import all_interfaces
all_interfaces()
import contextlib, io, json, decimal, difflib, logging, shutil, wcwidth
import encodings.ascii, encodings.latin_1
import numpy.ma  # which newer versions import when they first need it
from trafficmon.cli import main as program
arguments = sys.argv
for harmless in (["top", "flows", "--json"], ["status", "--json"], ["top", "x"], ["attach", "-x"]):
    sys.argv = ["trafficmon", *harmless]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        program.run()
sys.argv = arguments
groups = [int(group) for group in sys.argv[1].split(",") if group]
os.setgroups(groups)
os.setresgid({nobody}, {nobody}, {nobody})
os.setresuid({nobody}, {nobody}, {nobody})
del sys.argv[1]
{then}
"""
_COMMAND = "from trafficmon.cli.main import main; main()"


def run_ordinary(
    namespace: Namespace,
    groups: Sequence[int],
    *arguments: str,
    pin_dir: object = "",
    then: str = _COMMAND,
) -> CompletedProcess[str]:
    """Run a command (or the Python text ``then``) as nobody, a member of ``groups`` only."""
    script = _BECOME.format(nobody=NOBODY, then=then)
    pins = f"TRAFFICMON_PIN_DIR={pin_dir}"
    group_list = ",".join(map(str, groups))
    argv = ["env", pins, sys.executable, "-c", script, group_list, *within(arguments)]
    return namespace.run(argv, timeout=PATIENCE_S, check=False)
