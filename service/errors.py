"""All errors of the service, with one shape on the wire. A message never repeats a client's text."""

from __future__ import annotations

import math
from typing import Any

V2_PREFIX = "/v2"
"""Below it clients speak the Open Inference Protocol, where an error is ``{"error": "<message>"}``."""
CHALLENGE = 'Bearer realm="evenhand"'


class ServiceError(Exception):
    """Base of all errors that a client may see."""

    status = 500
    type = "internal"
    message = "something went wrong on the server; its log says what"

    def __init__(self, message: str | None = None, detail: Any = None) -> None:  # noqa: ANN401 - any JSON value
        super().__init__(message or self.message)
        self.detail = detail

    def body(self, path: str = "") -> dict[str, Any]:
        """The wire shape: ``{"error": {"type", "message", "detail"?}}``.

        Args:
            path: Path of the request; under ``V2_PREFIX`` the shape is the Open Inference Protocol's.
        """
        if path.startswith(V2_PREFIX):
            return {"error": str(self)}
        error: dict[str, Any] = {"type": self.type, "message": str(self)}
        if self.detail is not None:
            error["detail"] = self.detail
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Headers that go with the error."""
        return {}


class InvalidJson(ServiceError):
    """The body is not JSON."""

    status, type, message = 400, "invalid_json", "the body is not valid JSON"


class InvalidInput(ServiceError):
    """The request or an item is not valid."""

    status, type, message = 422, "invalid_input", "the request is not valid"


class UnsupportedMediaType(ServiceError):
    """The body is not declared as JSON."""

    status, type, message = 415, "unsupported_media_type", "send the body as application/json, uncompressed"


class TooLarge(ServiceError):
    """The body or its list of items is larger than the limit."""

    status, type, message = 413, "too_large", "the request is too large"


class NotInstalled(ServiceError):
    """The request needs a package that is not installed."""

    status, type, message = 501, "not_installed", "this needs a package that is not installed here"


class Disconnected(ServiceError):
    """The client went away before its body was complete."""

    status, type, message = 400, "disconnected", "the connection ended before the body did"


class TooSlow(ServiceError):
    """The body did not arrive in time."""

    status, type, message = (
        408,
        "too_slow",
        "the body did not arrive in time; send it faster, or in smaller requests",
    )

    def headers(self) -> dict[str, str]:
        """Close the connection: the rest of the body is not read."""
        return {"connection": "close"}


class UnknownModel(ServiceError):
    """No model of that name is served."""

    status, type, message = 404, "unknown_model", "no such model is served here; GET /models lists them"


class BundleRefused(ServiceError):
    """The bundle in a model's folder is not valid."""

    status, type = 409, "bundle_refused"
    message = "the new bundle was refused and the old one stays served; GET /models says why"


class RecordOff(ServiceError):
    """The record is off, so nothing can be joined or looked up."""

    status, type = 409, "record_off"
    message = "nothing is recorded here (EVENHAND_RECORD=off); set it to a database to use this route"


class UnknownDecision(ServiceError):
    """No decision of that id is on record."""

    status, type = 404, "unknown_decision"
    message = "no decision of this id is on record; it may be too old, erased, or another service's"


class RecordUnavailable(ServiceError):
    """The record can be neither read nor written."""

    status, type = 503, "record_unavailable"
    message = "the record's database is down; nothing of this request was stored, send it again"

    def headers(self) -> dict[str, str]:
        """When to try again."""
        return {"retry-after": "2"}


class NotFound(ServiceError):
    """No such route."""

    status, type, message = 404, "not_found", "no such route; see /docs"


class MethodNotAllowed(ServiceError):
    """The route exists, for another method."""

    status, type, message = 405, "method_not_allowed", "this route takes another method; see /docs"


class Unauthorized(ServiceError):
    """The credential is missing or not valid."""

    status, type = 401, "unauthorized"
    message = "this needs a key: send it as Authorization: Bearer <key>, or as X-Api-Key"

    def __init__(self, is_shown: bool = False) -> None:
        super().__init__("this key or token is not valid here" if is_shown else None)
        self.is_shown = is_shown

    def headers(self) -> dict[str, str]:
        """The challenge (RFC 6750)."""
        return {"www-authenticate": CHALLENGE + (', error="invalid_token"' if self.is_shown else "")}


class Forbidden(ServiceError):
    """The credential is valid, but lacks the scope."""

    status, type = 403, "forbidden"

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__(f"this key or token lacks the scope {' or '.join(scopes)}", {"scopes": list(scopes)})
        self.scopes = scopes

    def headers(self) -> dict[str, str]:
        """The challenge with the missing scope (RFC 6750)."""
        return {
            "www-authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{" ".join(self.scopes)}"'
        }


class NotLocal(ServiceError):
    """Without keys, only the machine itself is answered."""

    status, type = 403, "not_local"
    message = (
        "without keys this service answers its own machine alone, at localhost or 127.0.0.1: make a key "
        "(evenhand key new NAME --scope predict) and set EVENHAND_KEYS_FILE"
    )


class AdminOff(ServiceError):
    """Without keys, only the machine itself may change what is served or recorded."""

    status, type = 403, "admin_off"
    message = (
        "this route is off: without keys only the machine itself may use it; make a key with the scope admin"
    )


class Overloaded(ServiceError):
    """The queue is full; the caller may retry after a pause."""

    status, type, message = 429, "overloaded", "the queue is full, retry later; Retry-After says when"

    def __init__(self, retry_after_s: float = 1.0) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s

    def headers(self) -> dict[str, str]:
        """When to try again: whole seconds, at least one."""
        return {"retry-after": str(max(1, math.ceil(self.retry_after_s)))}


class NoRoom(ServiceError):
    """The bodies that are being read fill the memory for bodies."""

    status, type, message = (
        429,
        "overloaded",
        "too many large bodies are on their way; retry later, or send smaller ones",
    )

    def headers(self) -> dict[str, str]:
        """When to try again; the rest of the body is not read."""
        return {"retry-after": "1", "connection": "close"}


class RateLimited(Overloaded):
    """This caller sends too many requests."""

    type, message = "rate_limited", "this key is used too often; Retry-After says when it may be again"


class EngineFailed(ServiceError):
    """The row could not be scored."""

    status, type, message = 503, "engine_failed", "this item could not be scored"


class Closing(ServiceError):
    """The service is stopping."""

    status, type, message = 503, "closing", "the service is stopping"


class NotReady(ServiceError):
    """The service cannot answer predictions now."""

    status, type, message = 503, "not_ready", "the service is not ready"


class DeadlineExceeded(ServiceError):
    """No answer in time."""

    status, type, message = 504, "deadline", "no answer within the deadline"


class UpstreamAway(ServiceError):
    """The server behind the proxy sent no reply."""

    status, type = 502, "upstream_away"
    message = "the server behind this proxy sent no reply; nothing was decided, send the request again"


class UpstreamUnread(ServiceError):
    """The reply of the server behind the proxy cannot be read; it passed on, and only the record says so."""

    status, type = 502, "upstream_unread"
    message = "the reply of the server behind this proxy could not be read; the client got it as it came"


class UpstreamSlow(ServiceError):
    """The server behind the proxy did not reply in time."""

    status, type = 504, "upstream_slow"
    message = "the server behind this proxy did not reply in time (EVENHAND_PROXY_TIMEOUT_S)"


class BreakerOpen(Overloaded):
    """The server behind the proxy has sent no reply several times in a row."""

    status, type = 503, "upstream_down"
    message = "the server behind this proxy is down; Retry-After says when it is tried again"
