# SPDX-License-Identifier: MIT
"""What all tests need of the process that they run in."""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest
from hypothesis import Phase, settings

from tests.lab.mounts import enter_own_mounts

# A shell starts what runs in the background with SIGINT ignored, and children inherit that: then
# nothing that these tests interrupt would end. A handler of ours is the default in children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# For mutation tests: that an example fails is enough, the smallest one takes minutes to find.
settings.register_profile("mutation", phases=[Phase.explicit, Phase.generate], database=None)

os.umask(0o022)  # the modes of files are those that are requested

# How long an example takes is the machine's business; pytest-timeout ends what hangs.
hypothesis.settings.register_profile("trafficmon", deadline=None)
hypothesis.settings.load_profile("trafficmon")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Before any fixture is made: tests that pin and attach take no mount for granted."""
    marks = {mark.name for item in session.items for mark in item.iter_markers()}
    if os.geteuid() == 0 and marks & {"kernel", "bench"}:  # without root each says that it needs it
        enter_own_mounts()
