"""``POST /predict``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from evenhand.models.bundle.manifest import Manifest
from evenhand.service.errors import ServiceError
from evenhand.service.http.fast_route import FastRoute
from evenhand.service.http.schemas import BODY_ERRORS, PredictReply, PredictRequest, error_replies
from evenhand.service.pipeline import Outcome, Question
from evenhand.service.routes.dependencies import running, trace_of
from evenhand.service.types import Answer, Decision

router = APIRouter(route_class=FastRoute)
ERRORS = BODY_ERRORS | {
    404: "No such model.",
    422: "The request, or every item of it, cannot be answered.",
    429: "The queue is full; come back after Retry-After seconds.",
    503: "Stopping, or the engine failed.",
    504: "No answer within the deadline.",
}


@router.post("/predict", response_model=PredictReply, responses=error_replies(dict(sorted(ERRORS.items()))))
async def predict(body: PredictRequest, request: Request) -> Response:
    """Answer one item or many.

    Items are independent: one that cannot be answered gets an `error` in its place, and the others their
    answer.
    """
    state = running(request)
    model = state.registry.get(body.model)
    items = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    question = Question(model, items, trace_of(request), body.mode, body.groups, own_ids=body.ids)
    return Response(render(*await state.pipeline.answer(question)), media_type="application/json")


def render(manifest: Manifest, outcomes: list[Outcome]) -> bytes:
    """A :class:`PredictReply` as JSON, without the time of validating our own data."""
    predictions = [
        {
            "id": outcome.id,
            "own_id": outcome.own_id,
            "error": {"type": outcome.result.type, "message": str(outcome.result), "detail": None},
        }
        if isinstance(outcome.result, ServiceError)
        else _prediction(outcome, outcome.result)
        for outcome in outcomes
    ]
    reply = {"model": manifest.name, "version": manifest.version, "predictions": predictions}
    return to_json(reply, inf_nan_mode="null")


def _prediction(outcome: Outcome, decision: Decision) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "own_id": outcome.own_id,
        "label": decision.final.label,
        "score": decision.final.score,
        "scores": decision.final.scores,
        "flagged": {verdict.attribute: verdict.flagged for verdict in decision.verdicts},
        "corrected": decision.corrected,
        "risk": {verdict.attribute: verdict.risk for verdict in decision.verdicts},
        "base": _answer(decision.base),
        "shadow": _answer(decision.shadow) if decision.shadow else None,
        "abstained": _abstained(decision) if decision.abstained else None,
        "truncated": outcome.truncated,
        "warnings": [
            {"kind": warning.kind, "names": warning.names, "message": warning.message}
            for warning in outcome.warnings
        ],
    }


def _abstained(decision: Decision) -> dict[str, Any]:
    why = (
        f"the answer's probability of {decision.final.score:.3f} is below the bound that the model has for "
        f"rows flagged for {decision.abstained}; let a person decide"
    )
    return {"attribute": decision.abstained, "why": why}


def _answer(answer: Answer) -> dict[str, Any]:
    return {"label": answer.label, "score": answer.score}
