"""``/healthz`` and ``/readyz``: whether the process must be replaced, and whether it answers predictions."""

from __future__ import annotations

from fastapi import APIRouter, Request

from evenhand.service.errors import NotReady
from evenhand.service.http.schemas import error_replies
from evenhand.service.routes.dependencies import running

router = APIRouter()
UNREADY = error_replies({503: "Not ready; the message says why."})
HOPELESS = error_replies({503: "Only a new process helps; the message says why."})


@router.get("/healthz", responses=HOPELESS)
async def healthz(request: Request) -> dict[str, str]:
    """The process runs; 503 if it cannot recover and must be replaced."""
    state = running(request)
    if (problem := state.beyond_repair) is not None:
        raise NotReady(problem)
    remarks = {"status": "ok"}
    if state.housekeeping is not None and state.housekeeping.held is not None:
        remarks["retention"] = state.housekeeping.held.message
    if state.observed.models:
        number = len(state.observed.models)
        remarks["observed"] = f"decisions of {number} model{'' if number == 1 else 's'} are made elsewhere"
    if state.observed.refused:
        number = len(state.observed.refused)
        remarks["not_observed"] = (
            f"{number} faulty declaration{'' if number == 1 else 's'}; GET /models says why"
        )
    if state.proxy is not None and (remark := state.proxy.remark) is not None:
        remarks["proxy"] = remark
    return remarks


@router.get("/readyz", responses=UNREADY)
async def readyz(request: Request) -> dict[str, str]:
    """Bundles are verified, engine threads answer, background work runs, and the record accepts rows."""
    if (problem := running(request).problem) is not None:
        raise NotReady(problem)
    return {"status": "ready"}
