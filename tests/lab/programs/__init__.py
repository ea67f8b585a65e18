# SPDX-License-Identifier: MIT
"""The lab's own programs: each runs alone, by its path, in a namespace."""
