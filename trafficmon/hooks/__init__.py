# SPDX-License-Identifier: MIT
"""Whether the hooks that attach has made are there, as the kernel says: facts, then verdicts."""
