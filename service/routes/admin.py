"""``/models`` and ``/metrics``: what is served, and how it fares."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.registry import LoadedModel
from service.routes.running import running

router = APIRouter()


@router.get("/models")
async def models(request: Request) -> dict[str, list[dict[str, Any]]]:
    """Every served model: labels, attributes with mode and threshold, provenance and evaluation."""
    return {"models": [_describe(model) for model in running(request).registry.models.values()]}


@router.get("/metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    content, kind = running(request).metrics.exposition()
    return Response(content, media_type=kind)


def _describe(model: LoadedModel) -> dict[str, Any]:
    shown = {"name", "version", "description", "intended_use", "out_of_scope", "labels", "favourable", "certified"}
    return {
        **model.manifest.model_dump(include=shown),
        "bundle": model.bundle.sha256,
        "providers": model.engine.providers,
        "attributes": [attribute.model_dump() for attribute in model.manifest.attributes],
        "evaluation": model.manifest.evaluation,
    }
