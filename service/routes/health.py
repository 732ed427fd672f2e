"""``/healthz`` and ``/readyz``: whether the process runs, and whether it answers predictions."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.errors import NotReady
from service.routes.running import running
from service.schemas import ErrorReply

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Not ready; the message says why.", "model": ErrorReply}})
async def readyz(request: Request) -> dict[str, str]:
    """Every bundle was verified and answered its canary, and every batcher takes rows."""
    state = running(request)
    if state.draining:
        raise NotReady("the service is stopping")
    dead = [name for name, model in state.registry.models.items() if not model.batcher.alive]
    if dead:
        raise NotReady(f"the batcher of {', '.join(dead)} does not run")
    return {"status": "ready"}
