"""Token buckets, one per caller, in this process alone: with several workers or replicas each has its own."""

from __future__ import annotations

from collections import OrderedDict

MAX_CALLERS = 10_000
"""Subjects of tokens may be many; who was not seen for the longest time begins anew."""


class Buckets:
    """Lets every caller through at a rate, and a second's worth at once."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, rate_per_s: float, now_s: float) -> float:
        """Let one request of a caller through, if it may.

        Args:
            caller: Who asks.
            rate_per_s: Requests per second.
            now_s: The monotonic clock.

        Returns:
            Seconds until it may; 0 where it may now.
        """
        most = max(1.0, rate_per_s)
        left, then_s = self._left.get(caller, (most, now_s))
        left = min(most, left + (now_s - then_s) * rate_per_s)
        wait_s = max(0.0, (1.0 - left) / rate_per_s)
        self._left[caller] = (left if wait_s else left - 1.0, now_s)
        self._left.move_to_end(caller)
        if len(self._left) > MAX_CALLERS:
            self._left.popitem(last=False)
        return wait_s
