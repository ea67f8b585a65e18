# SPDX-License-Identifier: MIT
"""`make mutate`: small faults in bpf/ and trafficmon/, one at a time, and what catches them."""
