# SPDX-License-Identifier: MIT
"""The dashboard: a Textual application over the same tables as `top`."""
