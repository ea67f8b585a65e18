# SPDX-License-Identifier: MIT
"""Private network namespaces with real traffic: for kernel tests, the benchmark and `make demo`.

Start at `lab.Lab`. `traffic`, `raw` and `pktgen` send; `capture` shows by tcpdump and tshark what
was on an interface, `counters` what the kernel counted there. Nothing in here imports trafficmon:
the lab's word is a second opinion on it.
"""
