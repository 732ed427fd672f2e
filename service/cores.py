"""How many processor cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")


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
