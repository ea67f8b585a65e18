# SPDX-License-Identifier: MIT
"""libbpf for Python: owning handles, errors as exceptions, maps as numpy arrays.

The only package that touches cffi. It knows nothing about traffic. Once imported, libbpf's messages
go to ``logging``.
"""

from trafficmon.libbpf import log

log.capture()
