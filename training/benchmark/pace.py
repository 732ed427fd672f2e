"""How long a comparison still takes, from what its methods took so far."""

from __future__ import annotations

import statistics
from collections.abc import Iterable


class Pace:
    """Seconds per method: its own where it has run under another seed, else what methods take on average.

    Args:
        results: Method and seconds of results that are there already.
    """

    def __init__(self, results: Iterable[tuple[str, float]]) -> None:
        self._seconds: dict[str, list[float]] = {}
        for method, seconds in results:
            self.took(method, seconds)

    def took(self, method: str, seconds: float) -> None:
        """Learn from one more result."""
        self._seconds.setdefault(method, []).append(seconds)

    def left(self, methods: Iterable[str]) -> str:
        """The time that some methods will take, in words; nothing where none has run yet."""
        if not self._seconds:
            return ""
        own = {method: statistics.mean(seconds_of) for method, seconds_of in self._seconds.items()}
        usual = statistics.mean(own.values())
        seconds = sum(own.get(method, usual) for method in methods)
        return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"
