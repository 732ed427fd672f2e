"""``POST /predict``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.routes.running import running
from service.schemas import ErrorReply, PredictReply, PredictRequest

router = APIRouter()
ERRORS = {
    400: "The body is not JSON.",
    404: "No such model.",
    413: "Too many bytes or items.",
    415: "The body is not declared as JSON.",
    422: "The request, or every item of it, cannot be answered.",
    429: "The queue is full; come back after Retry-After seconds.",
    503: "Stopping, or the engine failed.",
    504: "No answer within the deadline.",
}


@router.post(
    "/predict",
    response_model=PredictReply,
    responses={status: {"description": text, "model": ErrorReply} for status, text in ERRORS.items()},
)
async def predict(body: PredictRequest, request: Request) -> Response:
    """Answer one item or many.

    Items are independent: one that cannot be answered gets an `error` in its place, and the others their answer.
    """
    reply = await running(request).pipeline.predict(body)
    return Response(reply.model_dump_json(), media_type="application/json")
