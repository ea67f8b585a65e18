# SPDX-License-Identifier: MIT
"""Facts about this host: privileges, mounts, interfaces, clocks. Reads, decides nothing."""
