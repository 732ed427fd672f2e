"""Splits requests: the proxy's own routes go to the application, all others to the server behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:  # the proxy needs an extra, and this file is always imported
    from evenhand.service.proxy.proxy import Proxy


class Forward:
    """Plain ASGI; the middleware around it has admitted the request and read its body.

    Args:
        app: The application behind this one, with the proxy's own routes.
        proxy: Answers all other paths.
    """

    def __init__(self, app: ASGIApp, proxy: Proxy) -> None:
        self._app = app
        self._proxy = proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or self._proxy.policy.is_own(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._proxy.forward(scope, receive, send)
