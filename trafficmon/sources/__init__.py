# SPDX-License-Identifier: MIT
"""Sources of samples: see model/source.py."""
