"""Waiting for a descriptor of the library, so that signals are handled meanwhile and nothing taken gets lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from . import _heroq
from .options import time_limit

#: the longest time that Python's signal handlers wait, in ms
SLICE_MS = 200

T = TypeVar("T")


def wait_for(take: Callable[[], T | None], fd: Callable[[], int], timeout: float | None) -> T | None:
    """What `take` answers once it answers something; None when `timeout` seconds (None: for ever) are over."""
    timeout = time_limit(timeout)
    found = take()
    if found is not None or timeout == 0:
        return found
    number = fd()
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE_MS if end is None else min(SLICE_MS, round((end - time.monotonic()) * 1000))
        _heroq.wait_fd(number, max(0, left))
        found = take()
        if found is not None or (end is not None and time.monotonic() >= end):
            return found
