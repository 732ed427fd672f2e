"""Wait for what comes about by itself."""

import time
from collections.abc import Callable

MOST_S = 600.0
"""Nobody waits longer: as long as what is waited for may take on a machine that has other things to do."""
WORK_S = 0.2
"""Seconds of a processor."""


def until(holds: Callable[[], object], within_s: float = MOST_S) -> None:
    """Look again and again; fail if it does not come about in time."""
    started_s = time.monotonic()
    while not holds():
        assert time.monotonic() < started_s + within_s
        time.sleep(0.02)


def slowness() -> float:
    """How many times as long everything takes as if nobody else used this machine; 1 where nobody does."""
    started_s, worked_s = time.monotonic(), time.process_time()
    while time.process_time() < worked_s + WORK_S:
        pass
    share = WORK_S / (time.monotonic() - started_s)
    return max(1.0, 2 / share - 1)  # with a margin: others come and go
