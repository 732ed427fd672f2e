"""Wait for what comes about by itself."""

import time
from collections.abc import Callable

import psutil

MOST_S = 600.0
"""Nobody waits longer, whatever moves."""
WORK_S = 0.2
"""Seconds of a processor."""


def until(holds: Callable[[], object], within_s: float = 60.0, moves: Callable[[], object] = lambda: None) -> None:
    """Look again and again; fail if it does not come about in time.

    Args:
        holds: What is waited for.
        within_s: How long it may take, or on a busy machine how long nothing may move.
        moves: What changes as long as somebody is at it; then the time begins anew.
    """
    started_s = moved_s = time.monotonic()
    last = moves()
    while not holds():
        now_s, found = time.monotonic(), moves()
        if found != last:
            last, moved_s = found, now_s
        assert now_s < min(moved_s + within_s, started_s + MOST_S)
        time.sleep(0.02)


def slowness() -> float:
    """How many times as long everything takes as if nobody else used this machine; 1 where nobody does."""
    started_s, worked_s = time.monotonic(), time.process_time()
    while time.process_time() < worked_s + WORK_S:
        pass
    share = WORK_S / (time.monotonic() - started_s)
    return max(1.0, 2 / share - 1)  # with a margin: others come and go


def work_of(pid: int) -> Callable[[], object]:
    """Says how much a process and its children have computed, in whole seconds of a processor."""

    def seconds() -> dict[int, int]:
        found = {}
        try:
            for process in (root := psutil.Process(pid), *root.children(recursive=True)):
                found[process.pid] = int(sum(process.cpu_times()[:2]))
        except psutil.NoSuchProcess:  # one has just ended: that is a move
            pass
        return found

    return seconds
