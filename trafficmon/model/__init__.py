# SPDX-License-Identifier: MIT
"""A reading as data: what a source gives to the tables. Nothing here reads from the machine."""
