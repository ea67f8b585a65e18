# SPDX-License-Identifier: MIT
"""The kernel tests on other kernels: fetched from Debian, booted under QEMU."""
