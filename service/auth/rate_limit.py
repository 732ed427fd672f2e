"""Token buckets, one per caller and process: each of several processes or replicas counts on its own."""

from __future__ import annotations

from collections import OrderedDict

MAX_CALLERS = 10_000
"""There may be many token subjects. Beyond this number the least recent one is forgotten."""


class Buckets:
    """Allows each caller a rate, and a burst of one second's requests."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, rate_per_s: float, now_s: float) -> float:
        """Take one request from a caller's bucket, if it is not empty.

        Args:
            caller: Name of the caller.
            rate_per_s: Requests per second.
            now_s: Time of the monotonic clock.

        Returns:
            Seconds until the request is allowed; 0 if it is allowed now.
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
