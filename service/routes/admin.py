"""``/models``, ``/metrics`` and ``/log-level``: what is served, and how operators change it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from evenhand.service.audit.elsewhere.bodies import SOURCE
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.catalog.registry import Slot
from evenhand.service.errors import BundleRefused
from evenhand.service.http.json_body import JsonRoute
from evenhand.service.http.schemas import (
    BODY_ERRORS,
    LogLevelRequest,
    ModeRequest,
    ReloadReply,
    ShadowRequest,
    VersionRequest,
    error_replies,
)
from evenhand.service.routes.dependencies import ApplicationState, running
from evenhand.service.routes.watched import SERVED

router = APIRouter(route_class=JsonRoute)
UNKNOWN = error_replies(
    {**BODY_ERRORS, 404: "No such model or version.", 422: "The request cannot be carried out."}
)
NO_LEVEL = error_replies({**BODY_ERRORS, 422: "No such level."})
REFUSED = error_replies({409: "The bundle failed a check."})


@router.get("/models")
async def models(request: Request) -> dict[str, list[dict[str, Any]]]:
    """Every loaded version: role, labels, attributes with mode and threshold, provenance and evaluation.

    Models whose decisions are made elsewhere follow, with the role `observed`; `not_observed` names faulty
    declarations.
    """
    state = running(request)
    served = [_describe(state, slot) for slot in state.registry.slots]
    observed = [_describe_observed(model) for _, model in sorted(state.observed.models.items())]
    refused = [{"file": name, "why": why} for name, why in sorted(state.observed.refused.items())]
    return {"models": served + observed, "not_observed": refused}


@router.put("/models/{name}/mode", responses=UNKNOWN)
async def mode(name: str, body: ModeRequest, request: Request) -> dict[str, Any]:
    """Switch the correction of one attribute, or of all, at once and for every worker."""
    state = running(request)
    state.control.set_mode(name, body.attribute, body.mode)
    return _roles(state, name)


@router.put("/models/{name}/shadow", responses=UNKNOWN)
async def shadow(name: str, body: ShadowRequest, request: Request) -> dict[str, Any]:
    """Score live traffic with a loaded version too; its answers are counted, never served. `null` ends it."""
    state = running(request)
    state.control.set_shadow(name, body.version)
    return _roles(state, name)


@router.post("/models/{name}/promote", responses=UNKNOWN)
async def promote(name: str, body: VersionRequest, request: Request) -> dict[str, Any]:
    """Make a loaded version the live one; the one before stays loaded, so that it can be promoted again."""
    state = running(request)
    state.control.promote(name, body.version)
    return _roles(state, name)


@router.post("/models/{name}/reload", responses={**UNKNOWN, **REFUSED})
async def reload(name: str, request: Request) -> ReloadReply:
    """Load new bundles from the model's folders now: a valid one takes over, any other is refused."""
    state = running(request)
    state.registry.get(name)
    changed, refused = [], None
    for slot in [slot for slot in state.registry.slots if slot.model.manifest.name == name]:
        try:
            changed.append(await state.reloader.reload(slot))
        except BundleRefused as error:  # one faulty folder must not keep the others from their new bundles
            refused = error
    if refused is not None:
        raise refused
    live = state.registry.get(name)
    return ReloadReply(model=name, version=live.manifest.version, bundle=live.bundle, changed=any(changed))


@router.put("/log-level", responses=NO_LEVEL)
async def log_level(body: LogLevelRequest, request: Request) -> LogLevelRequest:
    """Set the log level in every process; after a restart the setting applies again."""
    running(request).control.set_log_level(body.level)
    return body


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus metrics, of all workers."""
    series = running(request).metrics
    series.flush()
    content, kind = await asyncio.to_thread(
        series.exposition
    )  # thousands of lines would block the event loop
    return Response(content, media_type=kind)


def _roles(state: ApplicationState, name: str) -> dict[str, Any]:
    roles, live = state.registry.roles[name], state.registry.get(name)
    modes = dict(zip(live.manifest.attribute_names, state.registry.modes(live), strict=True))
    return {"model": name, "version": roles.live, "shadow": roles.shadow, "modes": modes}


def _describe_observed(model: ObservedModel) -> dict[str, Any]:
    declaration = model.declaration
    return {
        **declaration.model_dump(include={"version", "description", "labels", "favourable"}),
        "name": model.name,
        "intended_use": "",
        "out_of_scope": "",
        "certified": False,
        "source": SOURCE,
        "role": "observed",
        "bundle": model.sha256,
        "refused": None,
        "providers": [],
        "attributes": [{**one.model_dump(), "bundle_mode": one.mode} for one in model.attributes],
        "target": None if model.target is None else model.target.in_words(),
        "evaluation": {},
    }


def _describe(state: ApplicationState, slot: Slot) -> dict[str, Any]:
    model, roles = slot.model, state.registry.roles[slot.model.manifest.name]
    version = model.manifest.version
    shown = {
        "name",
        "version",
        "description",
        "intended_use",
        "out_of_scope",
        "labels",
        "favourable",
        "certified",
    }
    modes = state.registry.modes(model)
    return {
        **model.manifest.model_dump(include=shown),
        "source": SERVED,
        "role": "live" if version == roles.live else "shadow" if version == roles.shadow else "standby",
        "bundle": model.bundle,
        "refused": slot.refused,
        "providers": model.engine.providers,
        "attributes": [
            {**attribute.model_dump(), "mode": mode, "bundle_mode": attribute.mode}
            for attribute, mode in zip(model.manifest.attributes, modes, strict=True)
        ],
        "evaluation": model.manifest.evaluation,
    }
