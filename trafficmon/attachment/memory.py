# SPDX-License-Identifier: MIT
"""What to say when the kernel has no memory for maps or programs."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from trafficmon.attachment.request import DEFAULT_MAX_FLOWS, LEAST_MAX_FLOWS
from trafficmon.errors import BpfError, TrafficmonError
from trafficmon.host.memory import cgroup_limit_bytes

_TOO_MUCH = (errno.ENOMEM, errno.E2BIG, errno.ENOSPC)


def is_lack_of_memory(error: Exception) -> bool:
    """Whether another try, or another way, would fail as well."""
    return isinstance(error, BpfError) and error.errno == errno.ENOMEM


@contextmanager
def lack_explained(max_flows: int) -> Iterator[None]:
    """Errors for want of memory, with the limit that was met and the option that helps."""
    try:
        yield
    except BpfError as error:
        if error.errno not in _TOO_MUCH:
            raise
        raise TrafficmonError(
            f"cannot {error.operation} {error.subject}: {_reason()}; {_remedy(max_flows)}"
        ) from error


def _reason() -> str:
    limit = cgroup_limit_bytes()
    if limit is None:
        return "out of memory"
    return f"out of memory (this process's cgroup may have {limit >> 20} MiB)"


def _remedy(max_flows: int) -> str:
    """Flows take nearly all memory: 200 bytes each."""
    if max_flows <= LEAST_MAX_FLOWS:
        return "free memory, or give the cgroup more"
    less = (
        DEFAULT_MAX_FLOWS if max_flows > DEFAULT_MAX_FLOWS else max(max_flows // 8, LEAST_MAX_FLOWS)
    )
    return f"choose a smaller flow table than {max_flows}: --max-flows {less}"
