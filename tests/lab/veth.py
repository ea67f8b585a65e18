# SPDX-License-Identifier: MIT
"""A veth pair with static addresses and neighbours: nothing is on the wire that no one sent."""

import dataclasses
import ipaddress
import re
import time
from dataclasses import dataclass
from typing import Literal

from tests.lab.namespace import Namespace
from tests.lab.requirements import LabError, require_programs

IpVersion = Literal[4, 6]

# What makes frames on the interface differ from those on a wire, as `ethtool -k` names it.
_OFFLOAD = re.compile(
    r"checksumming|scatter-gather|segmentation|receive-offload|vlan-offload|gso|stag-hw"
)
# Not switched on: they stay as they are, or hand over packets that no wire has seen.
_UNWANTED = frozenset(
    {"tx-scatter-gather-fraglist", "tx-gso-list", "rx-gro-list", "rx-udp-gro-forwarding"}
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a link: an interface of a namespace and its addresses; `mtu` is in bytes."""

    namespace: Namespace
    interface: str
    mac: str
    ipv4: str
    ipv6: str
    mtu: int = 1500

    def address(self, version: IpVersion) -> str:
        """The address of that IP version, as text."""
        return self.ipv4 if version == 4 else self.ipv6


@dataclass(frozen=True, slots=True)
class Link:
    """Two endpoints that reach each other; `kind` says what it is made of."""

    left: Endpoint
    right: Endpoint
    kind: Literal["veth", "8021q", "gateway"]


def endpoint(namespace: Namespace, interface: str, network: int, host: int, mtu: int) -> Endpoint:
    """The endpoint with the addresses of host 1 to 254 in network 1 to 65535."""
    high, low = divmod(network, 256)
    return Endpoint(
        namespace=namespace,
        interface=interface,
        mac=f"02:00:{high:02x}:{low:02x}:00:{host:02x}",
        ipv4=f"10.{high}.{low}.{host}",
        ipv6=f"fd00:0:0:{network:x}::{host:x}",
        mtu=mtu,
    )


def connect(
    left: Namespace,
    right: Namespace,
    *,
    names: tuple[str, str] = ("tmleft", "tmright"),
    network: int = 1,
    offloads: bool = False,
    mtu: int = 1500,
    queues: int = 1,
) -> Link:
    """A veth pair between two namespaces, or in one, up, in 10.x.y.0/24 and fd00:0:0:x::/64.

    It goes with its namespaces. `offloads` switches everything on that veth has, else everything is
    off, so that a frame seen on an interface is a frame on the wire. `queues` is the number of
    receive and of transmit queues.
    """
    require_programs("ethtool")
    ends = (endpoint(left, names[0], network, 1, mtu), endpoint(right, names[1], network, 2, mtu))
    count = ["numtxqueues", str(queues), "numrxqueues", str(queues)]
    peer = ["peer", "name", names[1], *count, "netns", right.name]
    left.run(["ip", "link", "add", "dev", names[0], *count, "type", "veth", *peer])
    for near, far in (ends, ends[::-1]):
        configure(near, far)
        set_offloads(near, enabled=offloads)
    for end in ends:
        wait_for_carrier(end)
    return Link(*ends, kind="veth")


def configure(near: Endpoint, far: Endpoint) -> None:
    """Brings an interface up with its addresses and `far` as its static neighbour.

    "arp off" (IFF_NOARP) keeps the kernel from ARP, neighbour discovery and multicast listener
    reports alike.
    """
    dev = f"dev {near.interface}"
    commands = (
        f"link set {dev} address {near.mac} mtu {near.mtu} arp off addrgenmode none up",
        f"address add {near.ipv4}/24 brd + {dev}",
        f"address add {near.ipv6}/64 {dev} nodad",
        f"neighbour replace {far.ipv4} lladdr {far.mac} nud permanent {dev}",
        f"neighbour replace {far.ipv6} lladdr {far.mac} nud permanent {dev}",
    )
    near.namespace.run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")


def add_host(near: Endpoint, far: Endpoint, host: int) -> Endpoint:
    """Gives `near` the addresses of one more host (3 to 254) of its network, known to `far`."""
    more = dataclasses.replace(
        near,
        ipv4=str(ipaddress.ip_interface(f"{near.ipv4}/24").network[host]),
        ipv6=str(ipaddress.ip_interface(f"{near.ipv6}/64").network[host]),
    )
    for address in (f"{more.ipv4}/24", f"{more.ipv6}/64"):
        nodad = ["nodad"] if ":" in address else []
        near.namespace.run(["ip", "address", "replace", address, "dev", near.interface, *nodad])
    for address in (more.ipv4, more.ipv6):
        neighbour = [address, "lladdr", near.mac, "nud", "permanent", "dev", far.interface]
        far.namespace.run(["ip", "neighbour", "replace", *neighbour])
    return more


def set_offloads(end: Endpoint, *, enabled: bool) -> None:
    """Switches all offloads of an interface on or off; raises LabError when one stays as it was.

    TCP makes super-packets even where the device has no segmentation offload (they are cut below
    the tc layer), so without offloads the number of segments in a packet is limited to one, too.
    """
    state = {True: "on", False: "off"}
    unwanted = _UNWANTED if enabled else frozenset()
    changes = [f for f, on in _offloads(end).items() if on is not enabled and f not in unwanted]
    words = [word for feature in changes for word in (feature, state[enabled])]
    if words:
        end.namespace.run(["ethtool", "-K", end.interface, *words], check=False)
    left = [f for f, on in _offloads(end).items() if on is not enabled and f in changes]
    if left:
        raise LabError(f"{end.interface}: cannot be switched {state[enabled]}: {', '.join(left)}")
    segments = "65535" if enabled else "1"
    end.namespace.run(["ip", "link", "set", "dev", end.interface, "gso_max_segs", segments])


def _offloads(end: Endpoint) -> dict[str, bool]:
    """The changeable offloads of an interface and whether they are on."""
    listing = end.namespace.run(["ethtool", "-k", end.interface]).stdout
    features = re.findall(r"^\s*(\S+): (on|off)(?: \[(?!fixed).*)?$", listing, re.MULTILINE)
    return {
        name: state == "on"
        for name, state in features
        if _OFFLOAD.search(name) or name in _UNWANTED
    }


def wait_for_carrier(end: Endpoint) -> None:
    """Returns once the interface can send; raises LabError when it cannot after five seconds."""
    deadline = time.monotonic() + 5
    while "LOWER_UP" not in end.namespace.run(["ip", "link", "show", "dev", end.interface]).stdout:
        if time.monotonic() > deadline:
            raise LabError(f"{end.interface} in {end.namespace.name} has no carrier")
        time.sleep(0.01)
