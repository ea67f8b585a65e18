# SPDX-License-Identifier: MIT
"""The contract's tables, out of what the reader read: joined, filtered, sorted, told as records."""
