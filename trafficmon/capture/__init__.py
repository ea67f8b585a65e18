# SPDX-License-Identifier: MIT
"""Packets, copied out of the kernel with who they are of, and written as pcapng."""
