#!/bin/bash
# SPDX-License-Identifier: MIT
# The tests without privilege, with the lowest or the newest versions of all dependencies that pyproject.toml allows:
# other-versions.sh lowest|newest… Works on a copy of the checkout below build/, whose binding is compiled there, too.
set -euo pipefail
cd "$(dirname "$0")/../.."

for which in "$@"; do
    case $which in
    lowest | newest) ;;
    *) echo "usage: other-versions.sh lowest|newest..." >&2; exit 2 ;;
    esac
    work=$PWD/build/deps/$which
    rm -rf "$work"
    mkdir -p "$work/checkout"
    echo "installing the $which versions"
    "${PYTHON:-python3}" -m venv "$work/venv"
    "${PYTHON:-python3}" tools/requirements.py "$which" | sort -u |
        "$work/venv/bin/python" -m pip --disable-pip-version-check --quiet install -r /dev/stdin
    git ls-files -z | xargs -0 cp --parents -t "$work/checkout"
    cp -R trafficmon/_bpf "$work/checkout/trafficmon/"
    (
        cd "$work/checkout"
        ../venv/bin/python tools/build_native.py
        ../venv/bin/pytest -p no:cacheprovider -q -n auto -m 'not kernel and not vm and not bench'
    )
    rm -rf "$work"
done
