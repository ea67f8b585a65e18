# SPDX-License-Identifier: MIT
"""What has just happened: events out of the kernel's ring buffers, as records."""
