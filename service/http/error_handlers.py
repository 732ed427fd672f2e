"""Writes every error that FastAPI or a route raises in one shape. FastAPI's own 422 would repeat the input.

The middleware handles unexpected errors, because it knows the request's ids.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from evenhand.service.errors import InvalidInput, InvalidJson, MethodNotAllowed, NotFound, ServiceError
from evenhand.service.http.json_body import fields_of
from evenhand.service.metrics.collectors import Metrics


def install(app: FastAPI, metrics: Metrics) -> None:
    """Handle every error of ``app``."""

    async def service_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ServiceError)
        return _respond(request, error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _respond(request, _from_validation(error, _body_fields(request.scope.get("route"))))

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _respond(request, {404: NotFound, 405: MethodNotAllowed}.get(error.status_code, InvalidJson)())

    def _respond(request: Request, error: ServiceError) -> JSONResponse:
        metrics.rejected(error.type)
        return JSONResponse(error.body(request.scope["path"]), error.status, error.headers())

    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def _body_fields(route: object) -> tuple[str, ...]:
    """Fields of a route's body: an error may name them, but no name that a client made up."""
    bodies = route.dependant.body_params if isinstance(route, APIRoute) else ()
    return tuple(name for body in bodies for name in fields_of(body.field_info.annotation))


def _from_validation(error: RequestValidationError, names: tuple[str, ...]) -> ServiceError:
    """Say what is wrong and in which field, without any text that the client sent."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return InvalidJson()
    fields = [part for part in first["loc"] if part in names]
    if first["type"] == "extra_forbidden":
        return InvalidInput(f"unknown field; the fields are {', '.join(sorted(names))}")
    where = fields[0] if fields else "body"
    reasons = {
        "missing": f"the field {first['loc'][-1]} is missing",
        "literal_error": f"{where} must be one of {first.get('ctx', {}).get('expected', '')}",
    }
    return InvalidInput(reasons.get(first["type"], f"{where} has the wrong type; see /docs"))
