# SPDX-License-Identifier: MIT
"""What watching costs: `make bench` measures it beside what it is held against, in one run.

Contenders take turns round by round, so that whatever else the machine does hits all of them, and
medians (best rounds, where nothing but the program runs) are compared. Nothing absolute is
asserted.
"""
