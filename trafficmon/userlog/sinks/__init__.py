# SPDX-License-Identifier: MIT
"""Where rows go: one small interface, and a module for each kind of place."""
