# SPDX-License-Identifier: MIT
"""A virtual machine: another kernel, and this machine's root file system, read-only, over virtiofs.

Everything is emulated (no KVM is requested), so seconds there are tenths here. One thread for all
CPUs, and no cmpxchg16b: with several, or with it, QEMU 7.2 broke one boot in ten.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_until

MODULES = (
    "virtio_pci",
    "virtiofs",
    "virtio_rng",
    "veth",
    "dummy",
    "bridge",
    "8021q",
    "ifb",
    "tun",
    "macvlan",
    "vxlan",
    "sctp",
    "tls",
    "sch_ingress",
    "cls_bpf",
    "sch_netem",
    "tcp_diag",
    "nf_tables",
    "nft_counter",
    "nft_compat",
    "nft_chain_nat",
    "nft_masq",
    "nft_nat",
)
"""Those of them that the kernel has as modules are loaded."""

_NEEDS_CMPXCHG16B = 7
_TOOLS = ("sh", "mount", "insmod", "chroot", "poweroff", "cat")
_INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module || echo "insmod $module failed"; done < /order
mount -t virtiofs -o ro root /new
mount --bind /proc /new/proc; mount --bind /sys /new/sys; mount --bind /dev /new/dev
mkdir -p /new/dev/pts; mount -t devpts devpts /new/dev/pts
mount -t tmpfs run /new/run; mkdir /new/run/host-tmp; mount --bind /new/tmp /new/run/host-tmp
mount -t tmpfs tmp /new/tmp; read shown < /shown
case "$shown" in /tmp/*)
	mkdir -p "/new$shown"; mount --bind "/new/run/host-tmp${shown#/tmp}" "/new$shown";;
esac
mount -t bpf bpf /new/sys/fs/bpf; mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
mount -t tracefs tracefs /new/sys/kernel/tracing
command=$(cat /command); cd /new; mount --move . /
chroot . /bin/sh -c "$command"
echo "ENDED WITH $?"
poweroff -f
"""
_ENDED = re.compile(r"ENDED WITH (\d+)")


@dataclass(frozen=True)
class Ran:
    """``status``: the command's; None when the machine did not come so far."""

    status: int | None
    output: str
    seconds: float


@dataclass(frozen=True)
class Hardware:
    """What is emulated, ``root`` the file system that it shows."""

    root: Path
    emulator: str
    options: tuple[str, ...]
    console: str
    cpus: int = 2
    memory: str = "2G"


def pc(root: Path = Path("/")) -> Hardware:
    """x86-64. cmpxchg16b (cx16): see above."""
    options = ("-machine", "q35,memory-backend=memory", "-cpu", "max,-cx16")
    return Hardware(root, "qemu-system-x86_64", options, "ttyS0")


def arm64(root: Path) -> Hardware:
    """A 64-bit ARM. Pointer authentication off: emulating it takes half the time."""
    options = ("-machine", "virt,memory-backend=memory", "-cpu", "max,pauth=off")
    return Hardware(root, "qemu-system-aarch64", options, "ttyAMA0")


def run(
    kernel: Path,
    command: str,
    *,
    timeout_s: float,
    hardware: Hardware | None = None,
    shown: str = "/",
) -> Ran:
    """Boot ``kernel`` (a folder of fetch()), and run ``command`` in it as root.

    It has a /tmp of its own; ``shown`` is a folder that it sees also if that lies below ours.
    """
    hardware = hardware or pc()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tmvm-") as name:
        folder = Path(name)
        initrd = _initrd(kernel, command, shown, folder, hardware.root)
        with _root_file_system(folder, hardware.root) as socket:
            argv = _qemu(_image(kernel), initrd, socket, hardware, _more_arguments(kernel))
            limited = ["timeout", "--kill-after=5", str(timeout_s), *argv]
            done = subprocess.run(
                limited, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
    output = done.stdout.decode(errors="replace").replace("\r", "")
    ended = _ENDED.findall(output)
    return Ran(int(ended[-1]) if ended else None, output, time.monotonic() - begun)


def _more_arguments(kernel: Path) -> str:
    """Since 7.0 kmalloc_nolock() gives storage on sockets, and without cmpxchg16b it has none.

    Unless the slabs are debugged: those go another way (mm/slub.c).
    """
    return " slab_debug=F" if int(kernel.name.partition(".")[0]) >= _NEEDS_CMPXCHG16B else ""


def _qemu(
    image: Path, initrd: Path, socket: Path, hardware: Hardware, more_arguments: str
) -> list[str]:
    shared = f"memory-backend-memfd,id=memory,size={hardware.memory},share=on"
    arguments = f"console={hardware.console} quiet loglevel=3 panic=-1 mitigations=off nokaslr"
    arguments += more_arguments
    return [
        hardware.emulator,
        *hardware.options,
        *("-object", shared, "-m", hardware.memory),
        *("-accel", "tcg,thread=single", "-smp", str(hardware.cpus)),
        *("-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", "-net", "none"),
        *("-kernel", str(image), "-initrd", str(initrd), "-append", arguments),
        *("-chardev", f"socket,id=root,path={socket}"),
        *("-device", "vhost-user-fs-pci,chardev=root,tag=root"),
    ]


@contextlib.contextmanager
def _root_file_system(folder: Path, root: Path) -> Iterator[Path]:
    socket = folder / "virtiofs"
    argv = ["/usr/lib/qemu/virtiofsd", f"--socket-path={socket}", "-o", f"source={root}"]
    options = ["-o", "cache=always", "-o", "sandbox=chroot"]
    with (folder / "virtiofsd.log").open("wb") as log:
        server = subprocess.Popen([*argv, *options], stdout=log, stderr=log)
        try:
            wait_until(socket.exists)
            yield socket
        finally:
            server.kill()
            server.wait()


def _image(kernel: Path) -> Path:
    return next(
        image
        for place in ("boot", "usr/lib/modules")
        for image in (kernel / place).rglob("vmlinuz*")
    )


def _initrd(kernel: Path, command: str, shown: str, folder: Path, root: Path) -> Path:
    """busybox, the modules in the order of loading, what to run, and _INIT."""
    tree = folder / "tree"
    for part in ("bin", "proc", "sys", "dev", "new", "modules"):
        (tree / part).mkdir(parents=True)
    shutil.copy(_busybox(root), tree / "bin" / "busybox")
    for tool in _TOOLS:
        (tree / "bin" / tool).symlink_to("busybox")
    order = [_copy(Path(module), tree / "modules") for module in _dependencies(kernel)]
    (tree / "order").write_text("".join(f"{name}\n" for name in order))
    (tree / "command").write_text(command)
    (tree / "shown").write_text(f"{shown}\n")
    (tree / "init").write_text(_INIT)
    (tree / "init").chmod(0o755)
    listing = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        input=listing.encode(),
        cwd=tree,
        stdout=subprocess.PIPE,
        check=True,
    )
    initrd = folder / "initrd"
    initrd.write_bytes(gzip.compress(packed.stdout, 1))
    return initrd


def _busybox(root: Path) -> Path:
    """The static one of that system."""
    return next(path for part in ("bin", "usr/bin") if (path := root / part / "busybox").exists())


def _dependencies(kernel: Path) -> list[str]:
    release = next((kernel / "lib" / "modules").iterdir()).name
    files: dict[str, None] = {}
    for module in MODULES:
        argv = ["modprobe", "-d", str(kernel), "-S", release, "--show-depends", module]
        reported = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        files |= dict.fromkeys(
            words[1] for line in reported.splitlines() if (words := line.split())[0] == "insmod"
        )
    return list(files)


def _copy(module: Path, folder: Path) -> str:
    """Uncompressed: busybox loads nothing else."""
    content = module.read_bytes()
    name = module.name
    if name.endswith(".xz"):
        content, name = lzma.decompress(content), name.removesuffix(".xz")
    elif name.endswith(".zst"):
        done = subprocess.run(["zstd", "-qdc"], input=content, stdout=subprocess.PIPE, check=True)
        content, name = done.stdout, name.removesuffix(".zst")
    (folder / name).write_bytes(content)
    return name
