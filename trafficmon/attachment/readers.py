# SPDX-License-Identifier: MIT
"""What members of the readers' group may open: pins of their own, below readers/.

Maps, programs and links stay the owner's. A program that may be read may also be run
(BPF_PROG_TEST_RUN asks for no privilege), and would count what was never sent. And read permission
on a map is not enough to keep it from being written: a descriptor that BPF_OBJ_GET gave for reading
can be pinned again in any directory of a BPF file system that its holder may write to, and opened
there for writing (bpf_obj_do_pin() does not look at the descriptor's mode). So what the group is
given is frozen first: after BPF_MAP_FREEZE no system call writes to a map, while the kernel's
programs continue to count.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from trafficmon import ownership
from trafficmon.attachment.store import Store
from trafficmon.errors import TrafficmonError
from trafficmon.hook_registry import SOCKET_ITERATORS
from trafficmon.host import bpffs
from trafficmon.layout import META
from trafficmon.libbpf import features
from trafficmon.libbpf.map import Map
from trafficmon.pins import COPIED, FROZEN

_PASS, _LIST, _READ_MAP, _READ_LINK = 0o710, 0o750, 0o640, 0o440
_OWNER_ONLY_DIRECTORY, _OWNER_ONLY = 0o700, 0o600
_UNPRIVILEGED_BPF = Path("/proc/sys/kernel/unprivileged_bpf_disabled")


def let_group_read(store: Store, group: int) -> list[str]:
    """Make the pins if there are none, and give them to ``group``. Returns notes.

    Also after another version of trafficmon, which gave the group the maps and programs themselves.
    """
    _require_no_unprivileged_bpf()
    _keep_to_owner(store)
    readers = store.pins.readers
    readers.mkdir(mode=_OWNER_ONLY_DIRECTORY, exist_ok=True)
    ownership.require_plain(readers)
    for name in FROZEN:
        if name == "drops" and not features.names_functions():
            continue  # it has addresses, which the kernel hides from all but root
        store.maps[name].freeze()
        if not store.pins.reader(name).exists():
            store.maps[name].pin(str(store.pins.reader(name)))
    publish(store, *COPIED)
    _give(store, group)
    return _open_the_way(store)


def publish(store: Store, *names: str) -> None:
    """Copies, as of now, of maps that user space writes to; nothing where no group reads."""
    if not store.pins.readers.exists():
        return
    with ExitStack() as open_, ownership.opened(store.pins.readers) as directory:
        group = os.fstat(directory).st_gid
        for name in names:
            copy = open_.enter_context(_frozen_copy(store.maps[name]))
            fresh = store.pins.reader(f"{name}_new")
            fresh.unlink(missing_ok=True)
            copy.pin(str(fresh))
            ownership.give(fresh.name, directory, group, _READ_MAP)
            fresh.replace(store.pins.reader(name))


def _require_no_unprivileged_bpf() -> None:
    """Else a member could load a program that writes to a map that he may only read."""
    try:
        is_disabled = _UNPRIVILEGED_BPF.read_text(encoding="ascii").strip() != "0"
    except FileNotFoundError:  # a kernel that has no such programs
        return
    if not is_disabled:
        raise TrafficmonError(
            "--group: every user may load BPF programs here, and members could change counters "
            "with one; 'sysctl kernel.unprivileged_bpf_disabled=2' ends that"
        )


def _frozen_copy(source: Map) -> Map:
    """The seed of the hashes stays the owner's: by it one could aim at a slot of the cache."""
    facts, entries = source.facts(), source.raw_entries()
    keys, values = (
        np.frombuffer(buffer, np.uint8, entries.count * size).reshape(entries.count, size).copy()
        for buffer, size in ((entries.keys, facts.key_bytes), (entries.values, facts.value_bytes))
    )
    if source.name == "meta":
        values.view(META)["seed"] = 0
    copy = source.another()
    if entries.count:
        copy.update_many(keys, values)
    copy.freeze()
    return copy


def _keep_to_owner(store: Store) -> None:
    """Pins as they were made, but for the lists of sockets (see _give)."""
    _, links, _ = store.pins.parts
    for part in store.pins.parts:
        with ownership.opened(part) as directory:
            for name in os.listdir(directory):  # noqa: PTH208 - Path takes no descriptor
                if part != links or name not in SOCKET_ITERATORS:
                    ownership.give(name, directory, os.getegid(), _OWNER_ONLY)


def _give(store: Store, group: int) -> None:
    """Opened last, so that no group reads while another one is given access."""
    maps, links, progs = store.pins.parts
    with ownership.opened(store.pins.readers) as readers:
        for name in os.listdir(readers):  # noqa: PTH208 - Path takes no descriptor
            ownership.give(name, readers, group, _READ_MAP)
    with ownership.opened(links) as directory:
        for name in os.listdir(directory):  # noqa: PTH208
            if name in SOCKET_ITERATORS:  # read(2) runs it; BPF_OBJ_GET of a link is for writing
                ownership.give(name, directory, group, _READ_LINK)
    with ownership.opened(store.pins.root) as root:
        ownership.give(store.pins.readers.name, root, group, _LIST)
        for part in (maps, links):  # to look whether something is there, by its name
            ownership.give(part.name, root, group, _PASS)
        ownership.give(progs.name, root, os.getegid(), _OWNER_ONLY_DIRECTORY)
    with ownership.opened(store.pins.root.parent) as parent:
        ownership.give(store.pins.root.name, parent, group, _PASS)


def _open_the_way(store: Store) -> list[str]:
    """systemd and we mount the file system 0700: others may pass through, not list or write."""
    mount = bpffs.STANDARD_MOUNT
    mode = mount.stat().st_mode
    if mount not in store.pins.root.parents or mode & 0o001:
        return []
    with ownership.opened(mount.parent) as parent:
        ownership.give(mount.name, parent, -1, (mode & 0o7777) | 0o001)
    return [f"{mount} lets others pass through now, but not list it"]
