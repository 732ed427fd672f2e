"""The access log: which requests came, from whom, and what they got. Refused ones are logged in any case."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Literal

from starlette.types import Scope

from evenhand.service.auth.authorizer import CALLER

log = logging.getLogger(__name__)
AccessLogKind = Literal["off", "errors", "all"]
REFUSED = (401, 403)
REFUSALS, EVERY_S = 10, 60.0
"""So many refused requests are logged in so many seconds; more are only counted: anybody can send them."""


class AccessLog:
    """Writes a line for requests; it never holds a path's ids, a body or a key.

    Args:
        kind: ``all`` requests, those that end in ``errors`` (400 and above), or none but refused ones.
        address: Whether a line says the address at the other end of the connection.
        clock: Seconds.
    """

    def __init__(
        self, kind: AccessLogKind, address: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._least = {"off": 1000, "errors": 400, "all": 0}[kind]
        self._address, self._clock = address, clock
        self._since_s, self._refused = clock(), 0

    def write(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        """Log a request that has been answered, if it is one of those to log.

        Args:
            scope: Of the request.
            route: The path's template.
            status: That it got, or 499 where its caller left.
            seconds: That it took.
        """
        if status in REFUSED:
            self._refuse(scope, route, status, seconds)
        elif status >= self._least:
            line, facts = self._line(scope, route, status, seconds)
            log.info("%s", line, extra={"facts": facts})

    def _refuse(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        now_s = self._clock()
        more = 0
        if now_s - self._since_s >= EVERY_S:
            more = max(0, self._refused - REFUSALS)
            self._since_s, self._refused = now_s, 0
        self._refused += 1
        if self._refused <= REFUSALS:
            note = f"; {more} more refused requests were not logged" if more else ""
            line, facts = self._line(scope, route, status, seconds)
            log.warning("refused: %s%s", line, note, extra={"facts": facts})

    def _line(self, scope: Scope, route: str, status: int, seconds: float) -> tuple[str, dict[str, Any]]:
        """The line for people, and its facts for programs."""
        caller = scope.get(CALLER, "nobody")
        facts = {
            **{"method": scope["method"][:16], "route": route, "status": status},
            **{"milliseconds": round(1000 * seconds, 1), "caller": caller},
        }
        line = f"{facts['method']} {route} {status} in {facts['milliseconds']} ms by {caller}"
        client = scope.get("client")
        if self._address and client:
            facts["address"] = client[0]
            line += f" from {client[0]}"
        return line, facts
