# SPDX-License-Identifier: MIT
"""Records to text: aligned tables, JSON and CSV.

A record is a mapping from column name to a plain value: str, int, float, bool, an aware datetime,
None for what is not known, or a mapping of those for a histogram. Nothing is imported here, and
numpy nowhere below, so that a command pays only for what it prints.
"""
