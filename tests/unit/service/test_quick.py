"""A quick route says what FastAPI's own route says, whatever the body is."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse, Response

from evenhand.service.errors import InvalidJson, ServiceError
from evenhand.service.http.fast_route import FastRoute
from evenhand.service.http.schemas import PredictRequest

JSON = {"content-type": "application/json"}


def client(route: type[FastRoute] | None) -> TestClient:
    """An application with one route, which says what it was given, or what is wrong with it."""
    app = FastAPI()
    router = APIRouter(route_class=route) if route else APIRouter()

    @router.post("/predict")
    async def predict(body: PredictRequest, request: Request) -> Response:
        return Response(repr(body.model_dump()).encode(errors="replace"))

    async def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            detail = error.errors()[0]
            invalid = detail["type"] == "json_invalid"
            return JSONResponse("no JSON" if invalid else list(detail["loc"]), 422 - 22 * invalid)
        assert isinstance(error, ServiceError)
        return JSONResponse("no JSON", error.status)

    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(ServiceError, refused)
    app.include_router(router)
    return TestClient(app)


QUICK, PLAIN = client(FastRoute), client(None)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["inputs", "mode", "x"]), inner)
    ),
    max_leaves=6,
)


@given(VALUES)
def test_it_takes_and_refuses_what_fastapi_does(body: Any) -> None:
    quick, plain = (one.post("/predict", json=body) for one in (QUICK, PLAIN))
    assert (quick.status_code, quick.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{",
        b"[1",
        b'{"inputs": "a"}',
        b'{"inputs": NaN}',
        b'{"inputs": "\\ud800"}',
    ],
)
def test_bytes_are_read_as_fastapi_reads_them(body: bytes) -> None:
    quick, plain = (one.post("/predict", content=body, headers=JSON) for one in (QUICK, PLAIN))
    assert (quick.status_code, quick.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"[" * 100_000], ids=["encoding", "depth"])
def test_what_no_parser_reads_is_no_json(body: bytes) -> None:
    assert QUICK.post("/predict", content=body, headers=JSON).status_code == InvalidJson.status


def test_a_function_that_takes_anything_else_is_a_mistake() -> None:
    router = APIRouter(route_class=FastRoute)
    with pytest.raises(TypeError, match="a body and the request, nothing else"):

        @router.post("/predict")
        async def predict(body: PredictRequest, request: Request, more: str = "") -> Response:
            raise AssertionError
