"""Describes access in OpenAPI: how to send a key, which routes need one, and their refusals."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from evenhand.service.auth.policy import TABLE
from evenhand.service.errors import V2_PREFIX

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of the issuer."},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}
REFUSALS = {
    "401": "No key or token, or an invalid one; only if the service has keys.",
    "403": "The key lacks the scope; or no keys are set up, and the request comes from another machine.",
    "429": "The key, or the service, is used too often; Retry-After says when it may be again.",
}
ERROR = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}}}


def describe(app: FastAPI) -> None:
    """Add security schemes, scopes and refusals to the application's OpenAPI."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _add(plain())
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending it


def _add(described: dict[str, Any]) -> None:
    described["components"]["securitySchemes"] = SCHEMES
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            scopes = TABLE.get(f"{method.upper()} {path}", "").split()
            if not scopes:
                continue
            operation["security"] = [{scheme: scopes} for scheme in SCHEMES]
            refusals = {} if path.startswith(V2_PREFIX) else REFUSALS  # there, 4XX covers them
            for status, text in refusals.items():
                operation["responses"].setdefault(status, {"description": text, **ERROR})
