# SPDX-License-Identifier: MIT
"""The log by user: who exchanged how much with whom, as lines that other programs read."""
