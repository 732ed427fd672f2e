"""Security headers on every answer, errors included: browsers may show it and do nothing else with it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)
"""Defaults; a route may set its own."""
FORWARDED = "evenhand.forwarded"
"""Set in the scope of a request that the server behind the proxy answers: its headers stay as they are."""


class SecurityHeaders:
    """Adds the headers.

    Args:
        app: The application behind this one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not scope.get(FORWARDED):
                headers = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                message["headers"] = [*headers, *(header for header in COMMON if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, answer)
