#!/bin/bash
# SPDX-License-Identifier: MIT
# What a newcomer sees: `make run` and `make test` from a clone of this repository on a minimal Debian, with the
# packages of today. Usage: fresh-debian.sh [12|13]…; without a release: both.
#
# Nothing is prepared for them: no BPF file system is mounted, and /run is empty. Makes the system with mmdebstrap in
# a temporary directory, with nothing in it but make, git and certificates. The part that needs the network (apt-get,
# pip) has the machine's; everything that attaches runs in a network namespace of its own, whose default route is one
# end of a veth pair, with mounts and a cgroup of its own: no interface of this machine is touched. All of it is gone
# at the end. Needs root, mmdebstrap, git and iproute2.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/../.." && pwd)

say() { printf '\n===== %s\n' "$*"; }

main() {
    [ "$(id -u)" -eq 0 ] || { echo "fresh-debian.sh needs root: sudo $0" >&2; exit 4; }
    local tool
    for tool in mmdebstrap git ip unshare nsenter; do
        command -v "$tool" >/dev/null || { echo "missing: $tool (apt-get install mmdebstrap git iproute2)" >&2; exit 1; }
    done
    local release
    [ $# -gt 0 ] || set -- 12 13
    for release in "$@"; do
        ( one_release "$release" )
    done
}

one_release() { # NUMBER
    case $1 in
    12) codename=bookworm ;;
    13) codename=trixie ;;
    *) echo "usage: fresh-debian.sh [12|13]..." >&2; exit 2 ;;
    esac
    work=$(mktemp -d /var/tmp/trafficmon-fresh.XXXXXX)
    root=$work/root
    cgroup=$(own_cgroup)
    trap clean_up EXIT

    say "a minimal Debian $1"
    bootstrap
    git clone --quiet --no-hardlinks "$checkout" "$root/root/trafficmon"
    git -C "$root/root/trafficmon" log -1 --format='clone of %h, %s'
    say "what make run and make test need, from the network"
    private "$0" in-host-network "$root"
    say "the rest, in a private network namespace"
    private --net "$0" in-private-network "$root"
    say "Debian $1: done"
}

clean_up() {
    [ -z "$cgroup" ] || empty_cgroup
    rm -rf --one-file-system "$work"
}

# Whatever is left in it is ours: nobody else is told of it.
empty_cgroup() {
    local tries pids
    for tries in {1..50}; do
        mapfile -t pids < <(find "$cgroup" -name cgroup.procs -exec cat {} +)
        [ ${#pids[@]} -gt 0 ] || break
        kill -KILL "${pids[@]}" 2>/dev/null || true
        sleep 0.1
    done
    find "$cgroup" -depth -type d -exec rmdir {} + || echo "could not remove $cgroup ($tries tries)" >&2
}

# A cgroup below the one we are in, to be the root of the private cgroup tree; nothing where cgroup v2 is not.
own_cgroup() {
    local mount here
    mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' \
        /proc/self/mountinfo)
    [ -n "$mount" ] || return 0
    here=$mount$(sed -n 's/^0:://p' /proc/self/cgroup)
    mktemp -d "${here%/}/trafficmon-fresh.XXXXXX"
}

# Runs this script again, with other arguments, in namespaces of its own; their mounts die with them. Processes
# keep their numbers, as BPF programs know them by no others, and are found again by their cgroup.
private() {
    (
        [ -z "$cgroup" ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
        local namespaces=(--mount --ipc --uts --cgroup)
        [ -n "$cgroup" ] || namespaces+=(--pid --fork --kill-child --mount-proc)
        while [[ $1 == --* ]]; do
            namespaces+=("$1")
            shift
        done
        exec unshare "${namespaces[@]}" bash "$@"
    )
}

# The machine's own way to Debian's packages and to PyPI comes along: sources, keys, apt's and pip's settings,
# certificates. Of sources only when this machine is of the same release.
bootstrap() {
    local sources=()
    if grep -qx "VERSION_CODENAME=$codename" /etc/os-release; then
        shopt -s nullglob
        sources=(/etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources})
        shopt -u nullglob
        [ -s /etc/apt/sources.list ] || sources=("${sources[@]:1}")
    fi
    mkdir "$work/settings"
    local path
    for path in /etc/apt/{apt.conf.d,auth.conf.d,keyrings,trusted.gpg.d} /usr/share/keyrings \
        /usr/local/share/ca-certificates /etc/pip.conf /root/.config/pip /root/.pip; do
        [ ! -e "$path" ] || cp -RL --parents "$path" "$work/settings"
    done
    mmdebstrap --quiet --variant=minbase --include=make,git,ca-certificates \
        --setup-hook="cp -R '$work/settings/.' \"\$1\"" "$codename" "$root" "${sources[@]}"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}

# ---- inside: the functions below run in namespaces of their own ----

mount_system() {
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    mkdir "$root"/dev/{net,pts,shm}
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/zero" c 1 5
    mknod -m 666 "$root/dev/full" c 1 7
    mknod -m 666 "$root/dev/random" c 1 8
    mknod -m 666 "$root/dev/urandom" c 1 9
    mknod -m 666 "$root/dev/tty" c 5 0
    mknod -m 666 "$root/dev/net/tun" c 10 200
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
}

# The directories of this machine that pip's settings name, one a line: an index or wheels may be local.
package_directories() {
    {
        cat "$root"/etc/pip.conf "$root"/root/.config/pip/pip.conf "$root"/root/.pip/pip.conf || true
        env | grep '^PIP_' || true
    } 2>/dev/null | tr -s '= ' '\n' | sed 's,^file://,,' | sed -n '/^\//p'
}

# … are shown, read-only, at their own places.
mount_package_directories() {
    local directory
    for directory in $(package_directories); do
        [ -d "$directory" ] || continue
        # the pages of an index point to the files beside it
        [ "$(basename "$directory")" != simple ] || directory=$(dirname "$directory")
        mkdir -p "$root$directory"
        mount --bind -o ro "$directory" "$root$directory"
    done
}

# No chroot: who enters this mount namespace later is to find the same root directory.
become_root() {
    cd "$root"
    mkdir -p old
    pivot_root . old
    umount -l old
    rmdir old
    root=/
}

# In the new system, in the clone, with none of this machine's environment but the way to the packages.
inside() {
    local name kept=()
    while read -r name; do
        kept+=("$name=${!name}")
    done < <(compgen -e | grep -Ei '^(pip_.*|.*_proxy|ssl_cert_file|requests_ca_bundle)$' || true)
    chroot "$root" env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${kept[@]}" \
        bash -c 'cd /root/trafficmon && exec "$@"' inside "$@"
}

in_host_network() {
    mount_system
    mount_package_directories
    inside make setup
}

# The default route leads to a peer that answers, so that `make run` finds an interface and there is traffic on it.
make_network() {
    local before peer
    before=$(readlink /proc/self/ns/net)
    unshare --net sleep infinity &
    peer=$!
    while [ "$(readlink "/proc/$peer/ns/net")" = "$before" ]; do sleep 0.05; done
    ip link add uplink type veth peer name peer netns "$peer"
    ip link set lo up
    ip address add 192.0.2.1/24 dev uplink
    ip link set uplink up
    nsenter --net="/proc/$peer/ns/net" ip link set lo up
    nsenter --net="/proc/$peer/ns/net" ip address add 192.0.2.2/24 dev peer
    nsenter --net="/proc/$peer/ns/net" ip link set peer up
    ip route add default via 192.0.2.2
    nsenter --net="/proc/$peer/ns/net" chroot "$root" socat TCP-LISTEN:80,fork,reuseaddr PIPE &
}

make_traffic() {
    chroot "$root" ping -q -i 0.2 192.0.2.2 >/dev/null &
    while sleep 0.2; do
        head -c 50000 /dev/zero | chroot "$root" socat - TCP:192.0.2.2:80 >/dev/null 2>&1
    done &
}

in_private_network() {
    mount_system
    become_root
    make_network
    make_traffic
    local command
    for command in "make run" ".venv/bin/trafficmon status" "make stop" "make test"; do
        say "$command"
        # shellcheck disable=SC2086 # words on purpose
        inside $command
    done
}

case ${1:-} in
in-host-network | in-private-network)
    root=$2
    "${1//-/_}"
    ;;
*) main "$@" ;;
esac
