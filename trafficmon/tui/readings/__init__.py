# SPDX-License-Identifier: MIT
"""What the dashboard shows, read in a thread of its own. Nothing here knows of a screen."""
