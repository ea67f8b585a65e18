# SPDX-License-Identifier: MIT
"""Samples in a file: what `trafficmon record` writes, and what `--from FILE` reads."""
