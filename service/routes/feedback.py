"""``POST /feedback`` and ``/decisions``: later labels and groups, and the record of a decision."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from evenhand.service.audit.feedback import Feedback, Joined
from evenhand.service.errors import InvalidInput, TooLarge
from evenhand.service.http.json_body import JsonRoute
from evenhand.service.http.schemas import (
    BODY_ERRORS,
    FeedbackItem,
    FeedbackReply,
    FeedbackRequest,
    FeedbackResultOut,
    OverrideRequest,
    error_replies,
)
from evenhand.service.routes.dependencies import ApplicationState, audit_of, running

router = APIRouter(route_class=JsonRoute)
ERRORS = {
    404: "No such decision.",
    409: "Nothing is recorded here.",
    422: "The request, or every item of it, cannot be used.",
    503: "The record's database is down; send again after Retry-After seconds.",
}
WRONG = (
    "an item is an object with the id of a decision, or your own id of it, and a label, groups, or both; "
    "see /docs"
)


@router.post("/feedback", responses=error_replies({**BODY_ERRORS, **ERRORS}))
async def feedback(body: FeedbackRequest, request: Request) -> FeedbackReply:
    """Send true labels, and groups, that became known after decisions.

    Each names its decision by the id of the reply, or by your own id. If you sent an own id more than once,
    it means the newest decision.
    Items are independent. `joined`, `duplicate` and `conflict` name a decision that is on record; what is on
    record stays. An `orphan` may be sent again; what is `expired` will not count any more.
    """
    state = running(request)
    items = _items(body)
    if len(items) > state.pipeline.max_items:
        raise TooLarge(
            f"{len(items)} items in one request, at most {state.pipeline.max_items} are taken; send several"
        )
    checked = [_check(item) for item in items]
    good = [item for item in checked if item is not None]
    joined = iter(await _join(state, good) if good else ())
    results = []
    for index, item in enumerate(checked):
        if item is None:
            results.append(FeedbackResultOut(index=index, result="error", message=WRONG))
            continue
        one = next(joined)
        is_on_record = one.result in ("joined", "duplicate", "conflict")
        results.append(
            FeedbackResultOut(
                index=index, id=one.id if is_on_record else None, result=one.result, message=one.message
            )
        )
    if all(result.result == "error" for result in results):
        raise InvalidInput(results[0].message or WRONG)
    return FeedbackReply(results=results, counts=Counter(result.result for result in results))


@router.get("/decisions/{id}", responses=error_replies(ERRORS))
async def decision(id: str, request: Request) -> dict[str, Any]:
    """All that is on record about a decision: no input, and no sensitive attribute."""
    audit = audit_of(running(request))
    return await audit.call(audit.decision, id)


@router.post("/decisions/{id}/override", responses=error_replies({**BODY_ERRORS, **ERRORS}))
async def override(id: str, body: OverrideRequest, request: Request) -> dict[str, Any]:
    """Record that a person decided otherwise; the decision itself stays on record as it was."""
    audit = audit_of(running(request))
    return await audit.call(audit.override, id, body.label, body.by, body.reason)


async def _join(state: ApplicationState, items: list[Feedback]) -> list[Joined]:
    """Join feedback to decisions, and count what it brought."""
    audit = audit_of(state)
    joined = await audit.call(audit.feedback, items)
    for each in joined:
        if each.result != "error":
            state.metrics.record.feedback(each.result)
        if each.counted is not None:
            state.metrics.fairness.joined(each.counted)
    return joined


def _items(body: FeedbackRequest) -> list[Any]:
    """The items of a request, of one or in bulk."""
    if body.feedback is None:
        return [body.model_dump(include={"id", "label", "groups", "model"})]
    if any(value is not None for value in (body.id, body.label, body.groups, body.model)):
        raise InvalidInput("send either one item, or a list of them in feedback")
    if not body.feedback:
        raise InvalidInput("feedback is empty; send at least one item")
    return body.feedback


def _check(item: Any) -> Feedback | None:  # noqa: ANN401 - anything a client may send
    """A valid item; ``None`` for any other."""
    try:
        checked = FeedbackItem.model_validate(item)
    except ValidationError:
        return None
    return Feedback(checked.id, checked.label, checked.groups or {}, checked.model)
