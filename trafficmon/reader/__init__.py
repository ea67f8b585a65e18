# SPDX-License-Identifier: MIT
"""Reading the pinned maps into numpy arrays. Needs no privilege but read permission on the pins."""
