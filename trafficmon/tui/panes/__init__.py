# SPDX-License-Identifier: MIT
"""What is on the screen: each pane says what it wants read, and shows what was read."""
