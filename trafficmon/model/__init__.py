# SPDX-License-Identifier: MIT
"""A reading as data: what a source hands to the tables. Imports nothing that asks the machine."""
