# SPDX-License-Identifier: MIT
"""Runs a command of trafficmon again and again, each time killed before another step of it.

A step is a change to the kernel, the pins or the lock. After each kill comes one `detach`, or an
`attach` and then the `detach`. Runs in the namespace; prints the number of steps. Processes are
forked from one that has imported everything: that is most of what a command takes.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kernel.program import within
from trafficmon.cli import main as command_line
from trafficmon.host import netns
from trafficmon.host.interfaces import clsact_filters, has_clsact
from trafficmon.libbpf import clsact, handle, link
from trafficmon.libbpf import map as bpf_map
from trafficmon.pins import PinDirectory, chosen

STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (Path, ("mkdir", "unlink", "rmdir", "replace", "rename")),
    (handle.Handle, ("pin",)),
    (bpf_map.Map, ("update",)),
    (link, ("_create",)),
    (link.Link, ("update", "detach")),
    (clsact, ("make_qdisc", "remove_qdisc", "add_filter", "remove_filter")),
)


def die_before(number: int) -> None:
    """From here on this process is killed instead of its step ``number``, counted from 0."""
    count = itertools.count()

    def deadly(step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def counted(*arguments: Any, **options: Any) -> Any:
            if next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **options)

        return counted

    for owner, names in STEPS:
        for name in names:
            setattr(owner, name, deadly(getattr(owner, name)))


def run(command: list[str], die_before_step: int | None = None) -> int:
    """A command in a process of its own; how that ended, as subprocess has it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv[1:] = command
        if die_before_step is not None:
            die_before(die_before_step)
        status = command_line.run()
        sys.stdout.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at_every_step(
    victim: list[str],
    before: list[list[str]],
    after: list[list[str]],
    interfaces: list[str],
    stride: int,
) -> int:
    """``before`` and ``after`` are commands that have to succeed. The number of steps."""
    for number in range(0, 1000, stride):
        for command in before:
            _succeed(command, number)
        _send_frame(interfaces[-1])
        status = run(victim, number)
        if status not in (0, -signal.SIGKILL):
            sys.exit(f"step {number}: {victim} ended with {status}")
        for command in after:
            _succeed(command, number)
            for interface in interfaces:
                _look(command, interface, number)
        if status == 0:
            return number
    sys.exit("it never got through")


def _send_frame(interface: str) -> None:
    """So that what is attached there has counted something."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface, 0))
        sender.send(b"\xff" * 6 + bytes(54))


def _succeed(command: list[str], number: int) -> None:
    if status := run(command):
        sys.exit(f"step {number}: afterwards {command} ended with {status}")


def _look(command: list[str], interface: str, number: int) -> None:
    """After a detach nothing is there; after an attach with clsact its two filters."""
    ifindex = netns.ifindex_of(interface) or 0
    filters = clsact_filters(ifindex) if has_clsact(ifindex) else None
    if command[0] == "detach":
        pins = PinDirectory(chosen(None))
        if pins.exists() or filters is not None:
            sys.exit(f"step {number}: left: {pins.ours()}, filters: {filters}")
    elif filters != 2:
        sys.exit(f"step {number}: attached, with filters: {filters}")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("victim", choices=("attach", "replace", "detach", "attach-below"))
    parser.add_argument("interface")
    parser.add_argument("--above", help="an interface on top of that, attached before")
    parser.add_argument("--attach-again", action="store_true")
    parser.add_argument("--stride", type=int, default=1, help="every so many steps")
    parser.add_argument("--option", action="append", default=[])
    options = parser.parse_args()
    attach = within(["attach", "--iface", options.interface, *options.option])
    victim = {
        "attach": attach,
        "attach-below": attach,
        "replace": [*attach, "--replace"],
        "detach": ["detach"],
    }
    before = {"replace": [attach], "detach": [attach]}
    if options.above:
        before["attach-below"] = [within(["attach", "--iface", options.above, *options.option])]
    print(
        kill_at_every_step(
            victim[options.victim],
            before=before.get(options.victim, []),
            after=[attach, ["detach"]] if options.attach_again else [["detach"]],
            interfaces=[options.interface] + [options.above] * bool(options.above),
            stride=options.stride,
        )
    )


if __name__ == "__main__":
    _main()
