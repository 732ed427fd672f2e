"""Every error that FastAPI or a route raises, in the one shape. FastAPI's own 422 would repeat the input.

What nobody expects is left to the middleware, which knows the request's ids.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from evenhand.service.errors import InvalidInput, InvalidJson, MethodNotAllowed, NotFound, ServiceError
from evenhand.service.http.schemas import (
    FeedbackRequest,
    LogLevelRequest,
    ModeRequest,
    OverrideRequest,
    PredictRequest,
    ShadowRequest,
    VersionRequest,
)
from evenhand.service.metrics.collectors import Metrics

BODIES: dict[str, type[BaseModel]] = {
    "/predict": PredictRequest,
    "/feedback": FeedbackRequest,
    "/decisions/{id}/override": OverrideRequest,
    "/log-level": LogLevelRequest,
    "/models/{name}/mode": ModeRequest,
    "/models/{name}/shadow": ShadowRequest,
    "/models/{name}/promote": VersionRequest,
}
"""What each route's body is, so that an error can name its fields and nothing that a client made up."""


def install(app: FastAPI, metrics: Metrics) -> None:
    """Handle every error of ``app``."""

    async def service_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ServiceError)
        return _respond(request, error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _respond(request, _from_validation(error, getattr(request.scope.get("route"), "path", "")))

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _respond(request, {404: NotFound, 405: MethodNotAllowed}.get(error.status_code, InvalidJson)())

    def _respond(request: Request, error: ServiceError) -> JSONResponse:
        metrics.rejected(error.type)
        return JSONResponse(error.body(request.scope["path"]), error.status, error.headers())

    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def _from_validation(error: RequestValidationError, route: str) -> ServiceError:
    """Say what is wrong and where, without a value or a name that the client made up."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return InvalidJson()
    names = BODIES[route].model_fields if route in BODIES else {}
    fields = [part for part in first["loc"] if part in names]
    if first["type"] == "extra_forbidden":
        return InvalidInput(f"unknown field; the fields are {', '.join(sorted(names))}")
    where = fields[0] if fields else "body"
    reasons = {
        "missing": f"the field {first['loc'][-1]} is missing",
        "literal_error": f"{where} must be one of {first.get('ctx', {}).get('expected', '')}",
    }
    return InvalidInput(reasons.get(first["type"], f"{where} has the wrong type; see /docs"))
