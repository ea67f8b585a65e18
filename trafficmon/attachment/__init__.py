# SPDX-License-Identifier: MIT
"""Attaching to the kernel, taking over, and taking everything out again."""
