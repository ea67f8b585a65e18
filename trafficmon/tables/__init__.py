# SPDX-License-Identifier: MIT
"""The tables: pure functions of a sample, and the query that chooses their rows."""
