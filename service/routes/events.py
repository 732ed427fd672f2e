"""Takes an event of KServe's payload logger, which :mod:`evenhand.service.routes.decisions` received."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.elsewhere.waiting import Groups
from evenhand.service.audit.feedback import Feedback
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.elsewhere.cloudevents import (
    InferenceEvent,
    decisions_of,
    groups_of,
)
from evenhand.service.elsewhere.intake import Intake
from evenhand.service.elsewhere.rows import RowError, RowReader
from evenhand.service.errors import InvalidInput
from evenhand.service.routes.dependencies import ApplicationState, audit_of

TakeItems = Callable[[Intake, list[Any]], Awaitable[Response]]


async def take(state: ApplicationState, intake: Intake, event: InferenceEvent, record: TakeItems) -> Response:
    """Record the decisions of a response, or keep the groups of a request for it.

    Raises:
        ServiceError: the event is of no known model, or holds nothing that can be used.
    """
    model = state.observed.get(intake.model or event.service)
    intake.model = model.name
    if event.kind == "response":
        return await _response(state, (intake, model), event, record)
    return await _request(state, model, event)


async def _response(
    state: ApplicationState,
    into: tuple[Intake, ObservedModel],
    event: InferenceEvent,
    record: TakeItems,
) -> Response:
    intake, model = into
    decisions = decisions_of(event, model.labels)
    if len(decisions) > state.pipeline.max_items:
        raise InvalidInput(f"the response has more than {state.pipeline.max_items} rows")
    audit, name = audit_of(state), _name(state, event, model)
    groups = await audit.call(audit.groups_waiting, name)
    if len(groups) == len(decisions):
        for decision, of_row in zip(decisions, groups, strict=True):
            decision["groups"] = of_row
    intake.summary.results = []
    reply = await record(intake, decisions)
    if len(groups) != len(decisions):  # the request may have come meanwhile
        groups = await audit.call(audit.groups_waiting, name)
        if len(groups) == len(decisions):
            await _join(state, audit, model, (event, groups))
    if groups:
        await audit.call(audit.drop_groups, name)
    return reply


async def _request(state: ApplicationState, model: ObservedModel, event: InferenceEvent) -> Response:
    audit, name = audit_of(state), _name(state, event, model)
    groups = _checked(model, groups_of(event, model.attribute_names))
    first = event.own_ids(max(1, len(groups)))[0]
    if not any(groups):
        return JSONResponse({"held": 0, "joined": 0})
    if not await audit.call(audit.has_own_id, first, model.name):
        await audit.call(audit.keep_groups, name, groups)
        if not await audit.call(audit.has_own_id, first, model.name):
            number = await audit.call(audit.requests_waiting)
            return JSONResponse({"held": len(groups), "joined": 0, "requests_waiting": number})
    joined = await _join(state, audit, model, (event, groups))
    await audit.call(audit.drop_groups, name)
    return JSONResponse({"held": 0, "joined": joined})


def _name(state: ApplicationState, event: InferenceEvent, model: ObservedModel) -> str:
    """The name under which a request's groups wait; only the record's key can make it."""
    return audit_of(state).keys.own_id(f"{model.name}/{event.id}")


def _checked(model: ObservedModel, groups: Sequence[Groups]) -> list[Groups]:
    """Groups as the model spells them, ``unknown`` where it does not list one.

    Raises:
        InvalidInput: one is no group at all.
    """
    reader = RowReader(model, lambda _: "")
    try:
        return [dict(reader.groups(of_row)) for of_row in groups]
    except RowError as error:
        raise InvalidInput(str(error)) from None


async def _join(
    state: ApplicationState,
    audit: AuditClient,
    model: ObservedModel,
    request: tuple[InferenceEvent, Sequence[Groups]],
) -> int:
    """Join a request's groups to the decisions on record; returns how many were new."""
    event, groups = request
    names = event.own_ids(len(groups))
    items = [
        Feedback(name, None, of_row, model.name) for name, of_row in zip(names, groups, strict=True) if of_row
    ]
    results = await audit.call(audit.feedback, items)
    for one in results:
        if one.counted is not None:
            state.metrics.fairness.joined(one.counted)
    return sum(one.result == "joined" for one in results)
