# SPDX-License-Identifier: MIT
"""VLAN and QinQ links over a veth pair: by the kernel's 8021q, or else by a program of the lab."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.lab import processes
from tests.lab.processes import Process
from tests.lab.requirements import MissingRequirementError
from tests.lab.veth import Endpoint, Link, configure, endpoint, wait_for_carrier

TPID_8021Q = 0x8100
TPID_8021AD = 0x88A8
_TAG_BYTES = 4
_PROTOCOL_NAMES = {TPID_8021Q: "802.1Q", TPID_8021AD: "802.1ad"}
_GATEWAY = Path(__file__).parent / "programs" / "vlan_gateway.py"
_NO_8021Q = ("Unknown device type", "not supported")


class Tag(NamedTuple):
    """One VLAN tag: `tpid` is its ethertype, 0x8100 or 0x88a8."""

    vid: int
    tpid: int = TPID_8021Q


def qinq(outer_vid: int, inner_vid: int) -> tuple[Tag, Tag]:
    """The two tags of 802.1ad QinQ, outermost first."""
    return Tag(outer_vid, TPID_8021AD), Tag(inner_vid)


@contextmanager
def vlan(veth: Link, tags: Sequence[Tag], network: int) -> Iterator[Link]:
    """A link between the same namespaces whose frames are tagged on `veth`; `kind` says how.

    Its interfaces have addresses in 10.x.y.0/24 and fd00:0:0:x::/64 of `network`, and carry what
    any program sends. The MTU is the veth's, less 4 bytes for every tag but an outermost 802.1Q
    one, which interfaces take beyond their MTU.
    """
    name = "tmv" + ".".join(str(tag.vid) for tag in tags)
    mtu = veth.left.mtu - _TAG_BYTES * (len(tags) - (tags[0].tpid == TPID_8021Q))
    left = endpoint(veth.left.namespace, name, network, 1, mtu)
    right = endpoint(veth.right.namespace, name, network, 2, mtu)
    in_kernel = _has_8021q(veth.left)
    make = _kernel_vlan if in_kernel else _gateway
    with ExitStack() as stack:
        make(stack, left, veth.left, tags)
        make(stack, right, veth.right, tags)
        configure(left, right)
        configure(right, left)
        wait_for_carrier(left)
        wait_for_carrier(right)
        yield Link(left, right, kind="8021q" if in_kernel else "gateway")


def _has_8021q(below: Endpoint) -> bool:
    """Whether this kernel can make VLAN devices."""
    device = ["link", below.interface, "name", "tmvprobe", "type", "vlan", "id", "1"]
    result = below.namespace.run(["ip", "link", "add", *device], check=False)
    if result.returncode != 0 and any(hint in result.stderr for hint in _NO_8021Q):
        return False
    processes.check(result)
    below.namespace.run(["ip", "link", "delete", "dev", "tmvprobe"])
    return True


def _kernel_vlan(stack: ExitStack, end: Endpoint, below: Endpoint, tags: Sequence[Tag]) -> None:
    """Makes the VLAN devices of one end, one on top of the other."""
    parent = below.interface
    for depth, tag in enumerate(tags, 1):
        name = end.interface if depth == len(tags) else f"{end.interface}u{depth}"
        kind = ["type", "vlan", "proto", _PROTOCOL_NAMES[tag.tpid], "id", str(tag.vid)]
        below.namespace.run(["ip", "link", "add", "link", parent, "name", name, *kind])
        stack.callback(below.namespace.run, ["ip", "link", "delete", "dev", name])
        below.namespace.run(
            ["ip", "link", "set", "dev", name, "arp", "off", "addrgenmode", "none", "up"]
        )
        parent = name


def _gateway(stack: ExitStack, end: Endpoint, below: Endpoint, tags: Sequence[Tag]) -> None:
    """Starts the program that is the VLAN device of one end."""
    if not Path("/dev/net/tun").exists():
        raise MissingRequirementError("this kernel has no 8021q, and no /dev/net/tun to do without")
    reported = ",".join(f"{tag.tpid:04x}:{tag.vid}" for tag in tags)
    gateway = end.namespace.popen(
        [sys.executable, "-IS", str(_GATEWAY), end.interface, below.interface, reported]
    )
    stack.callback(_end_gateway, end, gateway)
    processes.read_until(gateway, gateway.stdout, "ready")


def _end_gateway(end: Endpoint, gateway: Process) -> None:
    """Ends the program; raises LabError if it had ended by itself, as then the link was cut."""
    processes.check_alive(gateway)
    end.namespace.end(gateway)
