"""``GET /fairness`` and its dashboard: gaps between groups, and the effect of the correction on them."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.store import AWAY
from evenhand.service.errors import InvalidInput, RecordUnavailable
from evenhand.service.http.schemas import error_replies
from evenhand.service.monitoring.cells import Cells, Window, read
from evenhand.service.monitoring.schema import FairnessReply
from evenhand.service.monitoring.summary import Facts, summary
from evenhand.service.routes.dependencies import ApplicationState, audit_of, running
from evenhand.service.routes.watched import Watched, watched

router = APIRouter()
MOST_HOURS = 8760
EXAMPLE = "2026-05-01T00:00:00Z"
WRONG = {
    "model": "model is the name of a model; GET /models lists them",
    "hours": f"hours is a whole number from 1 to {MOST_HOURS}",
    "from": f"from is a time such as {EXAMPLE}",
    "to": f"to is a time such as {EXAMPLE}",
}


class FairnessQuery(BaseModel):
    """What ``GET /fairness`` takes: the last hours, or a window between two moments."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(default=None, description="Needed where several models are served.")
    hours: int | None = Field(
        default=None, ge=1, le=MOST_HOURS, description="Up to now, this hour included; 24."
    )
    begin: datetime | None = Field(
        default=None, alias="from", description=f"{EXAMPLE}; UTC if it names no zone."
    )
    end: datetime | None = Field(default=None, alias="to", description="Up to now where it is left out.")

    def window(self, now: datetime) -> Window:
        """The window of hours that the query names.

        Raises:
            InvalidInput: the parameters name no window.
        """
        if self.begin is None:
            if self.end is not None:
                raise InvalidInput("to needs from; or give hours alone")
            return Window.last(self.hours or 24, now)
        if self.hours is not None:
            raise InvalidInput("give either hours, or from and to")
        begin, end = _in_utc(self.begin), _in_utc(self.end or now)
        if begin >= end:
            raise InvalidInput("from must be before to")
        window = Window.between(begin, end)
        if window.end - window.first > MOST_HOURS:
            raise InvalidInput(f"the window is longer than {MOST_HOURS} hours; ask for a shorter one")
        return window


def fairness_query(request: Request) -> FairnessQuery:
    """The validated query.

    Raises:
        InvalidInput: a parameter is not valid; the message does not repeat it.
    """
    try:
        return FairnessQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise InvalidInput(WRONG.get(name, f"unknown parameter; there are {', '.join(WRONG)}")) from error


PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "schema": schema,
        "description": schema.pop("description", ""),
    }
    for name, schema in FairnessQuery.model_json_schema()["properties"].items()
]
REPLIES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Three states, with limits and reasons.", "model": FairnessReply},
    **error_replies(
        {
            404: "No such model.",
            409: "Nothing is recorded here.",
            422: "The window cannot be used.",
            503: "The record's database is down.",
        }
    ),
}


@router.get("/fairness", response_class=Response, responses=REPLIES, openapi_extra={"parameters": PARAMETERS})
async def fairness(query: Annotated[FairnessQuery, Depends(fairness_query)], request: Request) -> Response:
    """Gaps between groups before and after correction, with limits and a verdict in three states."""
    state = running(request)
    model = watched(state, query.model)
    window = query.window(datetime.now(UTC))
    question = (model.manifest.name, model.bundle, window)
    content = await state.cached.get(question, partial(_answer, state, model, window))
    return Response(content, media_type="application/json", headers={"cache-control": "no-store"})


async def _answer(state: ApplicationState, model: Watched, window: Window) -> bytes:
    audit = audit_of(state)
    return await audit.call(_summary, state, model, window, audit)


def _summary(state: ApplicationState, model: Watched, window: Window, audit: AuditClient) -> bytes:
    """Read the counts and evaluate them, in a thread; returns JSON."""
    manifest = model.manifest
    facts = Facts(
        manifest=manifest,
        modes=model.modes,
        window=window,
        limits=state.limits,
        record={"state": audit.state, "spooled": audit.spooled},
        evidence=[] if state.housekeeping is None else state.housekeeping.findings(manifest, model.normal),
        normal=model.normal,
        source=model.source,
    )
    return to_json(summary(_cells(audit, manifest.name, window), facts))


def _cells(audit: AuditClient, name: str, window: Window) -> Cells:
    try:
        return read(audit.engine, name, window)
    except AWAY as error:
        raise RecordUnavailable(
            "the record's database is down, and the counts are in it; try again"
        ) from error


@router.get("/dashboard", response_class=Response, include_in_schema=False)
async def dashboard() -> Response:
    """The dashboard page, for operators without Grafana."""
    content, policy = page()
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return Response(content, media_type="text/html", headers=headers)


@cache
def page() -> tuple[bytes, str]:
    """The page, and a content security policy that allows only its own style and script."""
    content = resources.files("evenhand.service.pages").joinpath("dashboard.html").read_bytes()
    allowed = {
        tag: " ".join(
            f"'sha256-{b64encode(sha256(block).digest()).decode()}'"
            for block in re.findall(rb"<%s>(.*?)</%s>" % (tag.encode(), tag.encode()), content, re.DOTALL)
        )
        for tag in ("style", "script")
    }
    policy = (
        f"default-src 'none'; style-src {allowed['style']}; script-src {allowed['script']}; connect-src "
        f"'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return content, policy


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # the first day of year 1, east of Greenwich
        raise InvalidInput(WRONG["from"]) from None
