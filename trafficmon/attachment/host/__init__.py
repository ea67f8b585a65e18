# SPDX-License-Identifier: MIT
"""The layers that are attached once on a host: cgroup, sockops, app, drops."""
