"""The Open Inference Protocol v2 under ``/v2``, for clients of KServe and Triton."""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from evenhand.models.bundle.manifest import Mode
from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.errors import V2_PREFIX, InvalidInput, UnknownModel
from evenhand.service.http.schemas import V2_INFER, V2Error
from evenhand.service.oip import codec, tensors
from evenhand.service.pipeline import Question
from evenhand.service.routes import health
from evenhand.service.routes.dependencies import running, trace_of
from evenhand.version import __version__

HEADER_LENGTH = "inference-header-content-length"
PLATFORM = "onnx_onnxv1"
MODEL, VERSION = "/models/{model}", "/models/{model}/versions/{version}"
MODES = (None, *get_args(Mode))

router = APIRouter(
    prefix=V2_PREFIX,
    responses={"4XX": {"model": V2Error, "description": "What is wrong."}, "5XX": {"model": V2Error}},
)


# The router tries routes in order, so the most frequent one comes first.
@router.post(MODEL + "/infer", openapi_extra=V2_INFER)
@router.post(VERSION + "/infer", openapi_extra=V2_INFER)
async def infer(request: Request, model: str, version: str | None = None) -> Response:
    """Answer the rows of the input tensors.

    A row that cannot be answered has a text in the output `error`; the other rows get their answers.
    """
    state = running(request)
    loaded = state.registry.get(model, version)
    header = request.headers.get(HEADER_LENGTH)
    limit = state.pipeline.max_items
    infer_request = codec.decode(await request.body(), header.encode() if header is not None else None, limit)
    if infer_request.mode not in MODES:
        raise InvalidInput(f"the parameter mode must be one of {', '.join(get_args(Mode))}")
    if any(said not in (None, own) for said, own in zip(infer_request.model, _names(loaded), strict=True)):
        raise UnknownModel("the body names another model or version than the path")
    types = tensors.output_types(loaded.manifest)
    outputs_binary = (
        dict.fromkeys(types, infer_request.binary) if infer_request.outputs is None else infer_request.outputs
    )
    if not set(outputs_binary) <= set(types):
        raise InvalidInput(f"no such output; this model's are {', '.join(types)}")
    inputs, kind = dict(infer_request.inputs), loaded.manifest.input.kind
    own_ids = tensors.take_own_ids(inputs, infer_request.id, loaded.encoder, kind)
    items = tensors.to_items(inputs, loaded.encoder, kind)
    mode = infer_request.mode
    question = Question(loaded, items, trace_of(request), mode, version=version, own_ids=own_ids)
    manifest, outcomes = await state.pipeline.answer(question)
    outputs = [tensors.to_tensor(name, outcomes, types) for name in outputs_binary]
    reply = codec.InferReply(manifest.name, manifest.version, infer_request.id, outputs)
    body, length = codec.encode(reply, list(outputs_binary.values()))
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, headers={HEADER_LENGTH: str(length)}, media_type="application/octet-stream")


@router.get("")
async def server() -> dict[str, Any]:
    """The server's name, version and protocol extensions."""
    return {"name": "evenhand", "version": __version__, "extensions": ["binary_tensor_data"]}


@router.get("/health/live")
async def live(request: Request) -> dict[str, bool]:
    """The process need not be replaced; the same as `/healthz`."""
    await health.healthz(request)
    return {"live": True}


@router.get("/health/ready")
async def ready(request: Request) -> dict[str, bool]:
    """Every model answers; the same as `/readyz`."""
    await health.readyz(request)
    return {"ready": True}


@router.get(MODEL)
@router.get(VERSION)
async def metadata(request: Request, model: str, version: str | None = None) -> dict[str, Any]:
    """What the model takes and answers; `parameters.columns` says what an output's columns are."""
    registry = running(request).registry
    loaded = registry.get(model, version)
    return _describe(loaded, [other.manifest.version for other in registry.versions(loaded.manifest.name)])


@router.get(MODEL + "/ready")
@router.get(VERSION + "/ready")
async def model_ready(request: Request, model: str, version: str | None = None) -> dict[str, Any]:
    """Whether the model answers."""
    loaded = running(request).registry.get(model, version)
    await health.readyz(request)
    return {"name": loaded.manifest.name, "ready": True}


def _names(model: LoadedModel) -> tuple[str, str]:
    return model.manifest.name, model.manifest.version


def _describe(model: LoadedModel, versions: list[str]) -> dict[str, Any]:
    inputs = tensors.input_types(model.encoder, model.manifest.input.kind)
    return {
        "name": model.manifest.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in inputs.items()],
        "outputs": [
            {
                "name": name,
                "datatype": datatype,
                "shape": [-1, len(columns)],
                "parameters": {"columns": columns},
            }
            if columns
            else {"name": name, "datatype": datatype, "shape": [-1]}
            for name, (datatype, columns) in tensors.output_types(model.manifest).items()
        ],
    }
