"""Stops asking a server that does not reply, until it does again. Pure; the caller passes the time."""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "half_open", "open"]


class Breaker:
    """Closed: requests pass. Open: they are refused. Half open: one passes, and decides.

    Only requests without any reply count: an error that the server sends is a reply, and whoever sends bad
    rows must not stop everybody else.

    Args:
        failures: So many in a row open it; 0 never does.
        pause_s: How long it stays open.
    """

    def __init__(self, failures: int, pause_s: float) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._failures = 0
        self._until_s = 0.0
        self.state: State = "closed"

    def admits(self, now_s: float) -> bool:
        """Whether a request may pass; the first one after the pause does, as a trial."""
        if self.state == "closed":
            return True
        if now_s < self._until_s:
            return False
        # The trial has as long as the pause to end; a trial that was cancelled must not refuse all for ever.
        self.state, self._until_s = "half_open", now_s + self._pause_s
        return True

    def left_s(self, now_s: float) -> float:
        """Seconds until the next trial."""
        return max(0.0, self._until_s - now_s)

    def succeed(self) -> bool:
        """Note a reply.

        Returns:
            Whether that closed the breaker.
        """
        was, self.state, self._failures = self.state, "closed", 0
        return was != "closed"

    def fail(self, now_s: float) -> bool:
        """Note a request without any reply.

        Returns:
            Whether that opened the breaker.
        """
        self._failures += 1
        if not self._most or (self.state == "closed" and self._failures < self._most):
            return False
        was, self.state = self.state, "open"
        self._until_s = now_s + self._pause_s
        return was == "closed"
