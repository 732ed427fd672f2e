"""A small client of a running service, for commands. Nothing beyond the standard library."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

WITHIN_S = 120.0
BUSY = (429, 503)
BUSY_TRIES = 20
LONGEST_WAIT_S = 10.0
LOCAL = ("127.0.0.1", "localhost", "::1")


class Failure(Exception):
    """The command cannot go on; the message says why, and what to do."""


class Unreachable(Failure):
    """Nothing answers."""


class Refused(Failure):
    """The service refuses a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Asks one service.

    Args:
        url: Its address, such as ``http://127.0.0.1:8000``.
        key: Shown with every request.

    Raises:
        Failure: the address is none.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Failure(f"--url is an address such as http://127.0.0.1:8000, not {url}")
        self.is_local = parts.hostname in LOCAL
        self._headers = {"content-type": "application/json", **({"x-api-key": key} if key else {})}
        # A proxy of the environment cannot reach this machine.
        handlers = [urllib.request.ProxyHandler({})] if self.is_local else []
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401 - JSON
        """The reply to a query."""
        return self._ask("GET", f"{path}?{urllib.parse.urlencode(query)}" if query else path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """The reply to a body."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """The reply to a body."""
        return self._ask("PUT", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - JSON
        """The reply; a busy service is asked again when it says.

        Raises:
            Refused: the service refuses.
            Unreachable: it does not answer.
        """
        data = None if body is None else json.dumps(body).encode()
        url = self.url + urllib.parse.quote(path, safe="/?&=%+")
        for left in range(BUSY_TRIES, -1, -1):
            request = urllib.request.Request(url, data, self._headers, method=method)  # noqa: S310 - http(s)
            try:
                with self._opener.open(request, timeout=WITHIN_S) as reply:
                    return json.load(reply)
            except urllib.error.HTTPError as error:
                if error.code in BUSY and left:
                    time.sleep(min(LONGEST_WAIT_S, _seconds(error.headers.get("retry-after"))))
                    continue
                raise Refused(error.code, _message(error)) from error
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", None) or error
                raise Unreachable(
                    f"no service answers at {self.url} ({reason}).\n"
                    "Start one with make serve, or name its address with --url"
                ) from error
        raise AssertionError("the last try returns or raises")


def _seconds(text: str | None) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 1.0


def _message(error: urllib.error.HTTPError) -> str:
    """What the service says of its refusal."""
    try:
        said = json.load(error)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = f"status {error.code}"
    return f"the service refuses: {said}"
