"""``/healthz`` and ``/readyz``: whether the process is worth keeping, and whether it answers predictions."""

from __future__ import annotations

from fastapi import APIRouter, Request

from evenhand.service.errors import NotReady
from evenhand.service.http.schemas import ErrorReply
from evenhand.service.routes.dependencies import running

router = APIRouter()
UNREADY = {503: {"description": "Not ready; the message says why.", "model": ErrorReply}}
HOPELESS = {503: {"description": "Only a new process helps; the message says why.", "model": ErrorReply}}


@router.get("/healthz", responses=HOPELESS)  # type: ignore[arg-type]
async def healthz(request: Request) -> dict[str, str]:
    """The process runs; 503 where it cannot mend itself and should be replaced."""
    state = running(request)
    if (problem := state.beyond_repair) is not None:
        raise NotReady(problem)
    if state.housekeeping is not None and state.housekeeping.held is not None:
        return {"status": "ok", "retention": state.housekeeping.held.message}
    return {"status": "ok"}


@router.get("/readyz", responses=UNREADY)  # type: ignore[arg-type]
async def readyz(request: Request) -> dict[str, str]:
    """Every bundle was verified, engine threads answer their canary, background work runs, and answers can leave."""
    if (problem := running(request).problem) is not None:
        raise NotReady(problem)
    return {"status": "ready"}
