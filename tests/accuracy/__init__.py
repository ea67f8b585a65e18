# SPDX-License-Identifier: MIT
"""Known traffic by real programs, against nftables and the programs' own counts: a table of who."""
