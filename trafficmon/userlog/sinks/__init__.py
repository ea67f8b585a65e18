# SPDX-License-Identifier: MIT
"""Where rows go: a protocol, and a module for each kind of place."""
