# SPDX-License-Identifier: MIT
"""DNS as this host saw it: messages read, questions matched with answers, names remembered."""
