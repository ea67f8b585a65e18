# SPDX-License-Identifier: MIT
"""trafficmon: who uses this machine's network, counted in the kernel by eBPF."""

__version__ = "0.1.0"
