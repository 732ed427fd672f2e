"""Which paths of a proxy are its own, and who may send the others on."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

from evenhand.service.auth.policy import TABLE, ByMethod, RoutePolicy, Rule
from evenhand.service.errors import V2_PREFIX
from evenhand.service.settings import Settings

NOT_OURS = ("/predict", V2_PREFIX, "/docs", "/openapi.json")
"""Paths, and all below them, that the server behind the proxy answers."""
INFER = re.compile(rf"{V2_PREFIX}/models/([^/]+)(?:/versions/[^/]+)?/infer")
SEEN_PATHS = 1024
"""Paths whose kind is kept, the last ones used."""
READS = ("GET", "HEAD", "OPTIONS")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PREDICTS, OTHERS = "upstream: predict", "upstream: other"
"""How counters name the routes of the server behind the proxy."""


def own_table() -> dict[str, str]:
    """The routes that the proxy answers itself."""
    return {
        route: scopes
        for route, scopes in TABLE.items()
        if not any(_below(route.split()[1], path) for path in NOT_OURS)
    }


class ProxyPolicy(RoutePolicy):
    """Rules of the proxy's own routes, and of all that is sent on.

    With keys, whoever may predict may read there and send predictions. What changes the server behind the
    proxy, such as loading a model, needs the scope ``admin``.

    Args:
        settings: Of the proxy.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(own_table())
        self._protocol, self._route = settings.proxy_protocol, posixpath.normpath(settings.proxy_route)
        self._predicts = {method: Rule(method, PREDICTS, ("predict",), forwards=True) for method in METHODS}
        posts = "predict" if self._protocol == "json" else "admin"
        self._others: ByMethod = {
            method: Rule(
                method,
                OTHERS,
                ("predict" if method in READS else posts if method == "POST" else "admin",),
                True,
            )
            for method in METHODS
        }

        self._kind = lru_cache(SEEN_PATHS)(self._kind_of)

    def of_path(self, path: str) -> ByMethod:
        """The rules of a path by method: its own, or those of what is sent on."""
        return self._kind(path)[0]

    def is_own(self, path: str) -> bool:
        """Whether the proxy answers a path itself."""
        return self._kind(path)[1]

    def predicts(self, path: str) -> str | None:
        """The model that a path predicts with, as the server names it; empty where paths name none."""
        return self._kind(path)[2]

    def _kind_of(self, path: str) -> tuple[ByMethod, bool, str | None]:
        """The rules of a path, whether it is the proxy's own, and the model that it predicts with."""
        own, model = super().of_path(path), self._model(path)
        return own or (self._others if model is None else self._predicts), bool(own), model

    def _model(self, path: str) -> str | None:
        plain = posixpath.normpath(f"/{path.lstrip('/')}")  # a server may take other spellings of its route
        if self._protocol == "json":
            return "" if plain == self._route else None
        match = INFER.fullmatch(plain)
        return None if match is None else match[1]


def _below(template: str, path: str) -> bool:
    return template == path or template.startswith(f"{path}/")
