"""``POST /decisions``: decisions that other systems made, one or a million, recorded as if served here."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from evenhand.service.elsewhere import cloudevents, parquet
from evenhand.service.elsewhere.fields import ItemChunk
from evenhand.service.elsewhere.intake import Chunk, Intake, Summary, named
from evenhand.service.elsewhere.lines import LineChunk, LineSplitter, LinesWaiting
from evenhand.service.elsewhere.recorder import CHUNK_ROWS, Result
from evenhand.service.elsewhere.rows import FIELDS
from evenhand.service.errors import Disconnected, InvalidInput, ServiceError
from evenhand.service.http.json_body import parse
from evenhand.service.http.middleware import JSON_LINES, PARQUET, media_type
from evenhand.service.http.schemas import BODY_ERRORS, DECISIONS_BODY, DecisionsReply, error_replies
from evenhand.service.routes import events
from evenhand.service.routes.dependencies import ApplicationState, audit_of, recorder_of, running

router = APIRouter()
ERRORS = {
    404: "No such model.",
    409: "Nothing is recorded here.",
    422: "The request, or every decision of it, cannot be used.",
    501: "Parquet needs a package that is not installed here.",
    503: "Neither the record's database nor its spool takes decisions; detail says what is on record.",
}
CHUNK_BYTES = 4 * 2**20
"""Bytes of lines in one chunk at most, unless one line has more."""
Model = Annotated[str | None, Query(description="The model of decisions that name none.", max_length=80)]

WithShadow = Annotated[
    bool | None,
    Query(
        description="Whether a served bundle of the model answers, too, where an input came with a decision. "
        "If not given it does for JSON of up to max_items decisions; for others the record alone holds it."
    ),
]


@router.post(
    "/decisions",
    response_model=DecisionsReply,
    responses=error_replies(dict(sorted({**BODY_ERRORS, **ERRORS}.items()))),
    openapi_extra=DECISIONS_BODY,
)
async def decisions(request: Request, model: Model = None, shadow: WithShadow = None) -> Response:
    """Send decisions that another system made; they are counted, recorded and judged as if served here.

    JSON takes one decision, or several in `decisions`; JSON lines and Parquet take as many as there are. The
    reply comes once they are in the record, or in its spool. A faulty decision costs itself alone and is
    named; one whose own id is on record is a `duplicate`, and is not counted again.
    """
    state = running(request)
    headers = dict(request.scope["headers"])
    audit, kind = audit_of(state), media_type(headers)
    intake = Intake(state.observed, recorder_of(state), state.metrics, audit.keys.digest, model)
    if shadow:
        intake.shadow = state.shadow_answers
    if kind in JSON_LINES:
        return await _taken(intake, _line_chunks(request, state.pipeline.max_line_bytes), "line")
    if kind in PARQUET:
        return await _parquet(state, request, intake)
    raw = await request.body()
    if cloudevents.is_event(headers, kind):
        event = cloudevents.event_of(headers, kind, parse(raw, FIELDS))
        return await events.take(state, intake, event, _taken_items)
    items = _items(raw, intake)
    if len(items) <= state.pipeline.max_items:
        intake.summary.results = []
        intake.shadow = state.shadow_answers if shadow is not False else None
    return await _taken_items(intake, items)


async def _taken_items(intake: Intake, items: list[Any]) -> Response:
    return await _taken(intake, _item_chunks(items), "index")


async def _taken(intake: Intake, chunks: AsyncIterator[Chunk], place: str) -> Response:
    """The reply, once all decisions are on record.

    Raises:
        ServiceError: some are not; the error's detail says which.
    """
    summary = intake.summary
    try:
        async with aclosing(chunks):  # type: ignore[type-var]  # generators all
            await intake.take(chunks)
    except ServiceError as error:
        if summary.received:
            error.detail = _facts(summary, place)
        raise
    if summary.failure is not None:
        raise type(summary.failure)(_unwritten(summary, place), _facts(summary, place))
    if not summary.received:
        raise InvalidInput("no decision was sent; send at least one")
    if summary.counts["error"] == summary.received:
        first = summary.named[0]
        raise InvalidInput(f"no decision can be used; the first one: {first.message}", _facts(summary, place))
    return JSONResponse(_facts(summary, place))


def _facts(summary: Summary, place: str) -> dict[str, Any]:
    facts = summary.facts()
    if summary.results is not None:
        facts["results"] = [_in_place(result, place) for result in summary.results]
    facts["not_new"] = [_in_place(result, place) for result in summary.named]
    return facts


def _in_place(result: Result, place: str) -> dict[str, Any]:
    facts = named(result)
    line = facts.pop("line")
    return {place: line - 1 if place == "index" else line, **facts}


def _unwritten(summary: Summary, place: str) -> str:
    """Which decisions have to be sent again."""
    less = 1 if place == "index" else 0
    parts = [f"{first - less} to {last - less}" for first, last in summary.not_recorded]
    rest = summary.not_recorded[-1][1] - less
    return (
        f"{summary.failure}. Not on record: {place} {', '.join(parts)}, and all after {rest}; those before "
        "are. Own ids make it safe to send all again"
    )


def _items(raw: bytes, intake: Intake) -> list[Any]:
    """The decisions of a JSON body: an object, a list, or an object with ``decisions``.

    Raises:
        InvalidJson: it is no JSON.
        InvalidInput: it is none of these, or has a key twice.
    """
    body = parse(raw, (*FIELDS, "decisions"))
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        raise InvalidInput("send a decision, a list of them, or an object with a list in decisions")
    if "decisions" not in body:
        return [body]
    if not body.keys() <= {"decisions", "model"}:
        raise InvalidInput("beside decisions there may be model, and nothing else")
    items, model = body["decisions"], body.get("model")
    if not isinstance(items, list) or not isinstance(model, str | None):
        raise InvalidInput("decisions is a list, and model a text")
    intake.model = model or intake.model
    return items


async def _item_chunks(items: list[Any]) -> AsyncIterator[ItemChunk]:
    for start in range(0, len(items), CHUNK_ROWS):
        some = items[start : start + CHUNK_ROWS]
        yield ItemChunk(range(start + 1, start + 1 + len(some)), some)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises:
        Disconnected: it ends before its end.
    """
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _line_chunks(request: Request, max_bytes: int) -> AsyncIterator[LineChunk]:
    """Numbered lines, some at a time; blank ones are left out."""
    splitter, waiting = LineSplitter(max_bytes), LinesWaiting()
    async for piece in _pieces(request):
        waiting.add(splitter.feed(piece))
        while waiting.is_full(CHUNK_ROWS, CHUNK_BYTES):
            yield waiting.take(CHUNK_ROWS)
    waiting.add(splitter.end())
    while waiting.lines:
        yield waiting.take(CHUNK_ROWS)


async def _parquet(state: ApplicationState, request: Request, intake: Intake) -> Response:
    """Decisions of a Parquet file, which is read from its end: it waits on disk."""
    parquet.require()
    with tempfile.TemporaryFile(dir=state.state_folder) as file:
        async for piece in _pieces(request):
            if len(piece) > 2**16:
                await asyncio.to_thread(file.write, piece)
            else:
                file.write(piece)
        return await _taken(intake, parquet.chunks(file, CHUNK_ROWS), "row")
