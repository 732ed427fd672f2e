"""Headers that tell browsers to do nothing with an answer but show it. On every answer, the unexpected ones too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

NOTHING = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SWAGGER = (
    b"default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; worker-src blob:; connect-src 'self'; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    b"font-src https://fonts.gstatic.com; "
    b"img-src data: https://fastapi.tiangolo.com https://cdn.redoc.ly; frame-ancestors 'none'; base-uri 'none'"
)
"""FastAPI's pages of the API load their scripts from there."""
POLICIES = {"/docs": SWAGGER, "/docs/oauth2-redirect": SWAGGER, "/redoc": SWAGGER}
COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Unless the route says otherwise."""
POLICY = b"content-security-policy"


class Shield:
    """Adds the headers.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = (*COMMON, (POLICY, POLICIES.get(scope["path"], NOTHING)))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name for name, _ in given}
                message["headers"] = [*given, *(header for header in ours if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, answer)
