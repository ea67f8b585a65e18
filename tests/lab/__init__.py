# SPDX-License-Identifier: MIT
"""Private network namespaces with real traffic: for kernel tests, the benchmark and `make demo`.

Nothing in here imports trafficmon: what the lab says about its traffic is a second opinion, by
tcpdump and tshark.
"""
