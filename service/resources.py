"""The cores and the memory of this process."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
TRIM_EVERY_S = 60.0


def cores(quota: Path = QUOTA) -> int:
    """Cores by affinity, and no more than a container's quota: threads beyond it would only be throttled.

    Args:
        quota: The control group's ``cpu.max``: microseconds, or ``max``, per period of microseconds.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
        return count if allowed == "max" else max(1, min(count, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError):
        return count


def trim_memory() -> None:
    """Return freed memory to the system; otherwise the C library keeps it, and resident memory creeps up.

    Takes some milliseconds, none of them with the interpreter's lock.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def collect_memory() -> None:
    """Collect cycles of references, such as a replaced model's, then return what is free."""
    gc.collect()
    trim_memory()


async def trim_memory_regularly() -> float:
    """Return freed memory once; returns the seconds until the next time."""
    await asyncio.to_thread(trim_memory)
    return TRIM_EVERY_S
