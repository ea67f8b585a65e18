# SPDX-License-Identifier: MIT
"""The command line: one module a command, and one place where errors become exit codes."""
