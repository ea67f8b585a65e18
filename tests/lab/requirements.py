# SPDX-License-Identifier: MIT
"""What the lab needs of the machine, and the error that names what is missing."""

import os
import shutil

_DEBIAN_PACKAGES = {
    "ethtool": "ethtool",
    "gcc": "gcc and libc6-dev",
    "ip": "iproute2",
    "iperf3": "iperf3",
    "nsenter": "util-linux",
    "ping": "iputils-ping",
    "setpriv": "util-linux",
    "tcpdump": "tcpdump",
    "tshark": "tshark",
}


class LabError(RuntimeError):
    """Something in the lab went wrong; the message says what."""


class MissingRequirementError(LabError):
    """This machine lacks something that the lab needs; the message names it."""


def require_root() -> None:
    """Raises MissingRequirementError unless the process runs as root."""
    if os.geteuid() != 0:
        raise MissingRequirementError(
            f"the lab makes network namespaces and needs root (uid is {os.geteuid()}): use sudo"
        )


def require_programs(*names: str) -> None:
    """Raises MissingRequirementError naming every program that is not in PATH, and its package."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        reported = ", ".join(
            f"{name} (Debian package {_DEBIAN_PACKAGES.get(name, name)})" for name in missing
        )
        raise MissingRequirementError(f"the lab needs programs that are not in PATH: {reported}")
