"""``GET /fairness/trend``: what the correction aims at, over time, with marks for what operators did."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.store import AWAY
from evenhand.service.errors import InvalidInput, RecordUnavailable
from evenhand.service.http.schemas import error_replies
from evenhand.service.monitoring.cells import Window
from evenhand.service.monitoring.trend import TrendFacts, trend
from evenhand.service.monitoring.trend_rows import read_trend
from evenhand.service.monitoring.trend_schema import TrendReply
from evenhand.service.routes.dependencies import ApplicationState, audit_of, running
from evenhand.service.routes.fairness import MOST_HOURS, WRONG
from evenhand.service.routes.watched import Watched, watched

router = APIRouter()


class TrendQuery(BaseModel):
    """What ``GET /fairness/trend`` takes."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(default=None, description="Needed where several models are served.")
    hours: int = Field(default=24, ge=1, le=MOST_HOURS, description="Up to now, this hour included.")


def trend_query(request: Request) -> TrendQuery:
    """The validated query.

    Raises:
        InvalidInput: a parameter is not valid; the message does not repeat it.
    """
    try:
        return TrendQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        is_ours = name in TrendQuery.model_fields
        raise InvalidInput(WRONG[name] if is_ours else "unknown parameter; there are model, hours") from error


PARAMETERS = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in TrendQuery.model_json_schema()["properties"].items()
]
REPLIES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Buckets in the order of time, and marks.", "model": TrendReply},
    **error_replies(
        {
            404: "No such model.",
            409: "Nothing is recorded here.",
            422: "The window cannot be used.",
            503: "The record's database is down.",
        }
    ),
}


@router.get(
    "/fairness/trend", response_class=Response, responses=REPLIES, openapi_extra={"parameters": PARAMETERS}
)
async def fairness_trend(query: Annotated[TrendQuery, Depends(trend_query)], request: Request) -> Response:
    """The figure that the correction aims at over time, before and after correction, with marks.

    In windows of up to 6 hours buckets are made from the newest decisions of the record, and end where the
    correction was switched; in longer ones they are hours or days.
    """
    state = running(request)
    model = watched(state, query.model)
    window = Window.last(query.hours, datetime.now(UTC))
    question = ("trend", model.manifest.name, model.bundle, window)
    content = await state.cached.get(question, partial(_answer, state, model, window))
    return Response(content, media_type="application/json", headers={"cache-control": "no-store"})


async def _answer(state: ApplicationState, model: Watched, window: Window) -> bytes:
    audit = audit_of(state)
    return await audit.call(_trend, state, model, window, audit)


def _trend(state: ApplicationState, model: Watched, window: Window, audit: AuditClient) -> bytes:
    """Read the rows and evaluate them, in a thread; returns JSON."""
    try:
        counts, marks = read_trend(audit.engine, audit.keys, model.manifest.name, window)
    except AWAY as error:
        raise RecordUnavailable(
            "the record's database is down, and the counts are in it; try again"
        ) from error
    facts = TrendFacts(
        model.manifest, window, state.limits["gap"], {"state": audit.state, "spooled": audit.spooled}
    )
    return to_json(trend(counts, marks, facts))
