# SPDX-License-Identifier: MIT
"""Events: the kernel's ring buffers as one stream of typed events."""
