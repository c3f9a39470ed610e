"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(is_so: Callable[[], Any], seconds: float = 60) -> float:
    """Wait until something is so, and return the seconds that took."""
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() < begun + seconds, "waited too long"
        time.sleep(0.02)
    return time.monotonic() - begun
