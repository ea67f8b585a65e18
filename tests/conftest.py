# SPDX-License-Identifier: MIT
"""What all tests need of the process that they run in."""

from __future__ import annotations

import signal

# A shell starts what runs in the background with SIGINT ignored, and children inherit that: then
# nothing that these tests interrupt would end. A handler of ours is the default in children.
signal.signal(signal.SIGINT, signal.default_int_handler)
