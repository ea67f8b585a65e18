# SPDX-License-Identifier: MIT
"""``python -m trafficmon``."""

from trafficmon.cli.main import main

if __name__ == "__main__":
    main()
