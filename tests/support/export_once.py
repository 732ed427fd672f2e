"""The exporter traces each structure once per session; models that differ in weights only share the trace.

Tracing a tiny model takes seconds, and most tests of fits differ in weights alone. The trace is of a model
whose weights are numbered, so that every element of a stored tensor says which weight it is, or that it is
nought; a model's own weights are then put in their places. A graph that stores anything else but single
numbers, which may have been
computed from weights, is not shared: each model of that kind is exported itself. ``tests/theory`` exports
    every kind
of model without this, as the command line does in ``tests/e2e``; ``test_export_once.py`` compares the two
ways.
"""

import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from shared_cache import cached
from torch import nn

from evenhand.models.onnx import torch_export

Weights = dict[str, torch.Tensor]
Places = dict[str, np.ndarray]
SCALE = 2.0**23
"""Whole numbers below it, divided by it, are float32 values, each its own."""
REAL = torch_export._export


def export(module: nn.Module, inputs: Any, shapes: tuple[Any, ...], outputs: list[str]) -> onnx.ModelProto:
    """As the exporter, from the session's trace where there is one."""
    module.eval()
    key = _structure(module, inputs, shapes, outputs)
    graph, places = pickle.loads(cached(key, lambda: pickle.dumps(_trace(module, inputs, shapes, outputs))))
    if places is None:
        return REAL(module, inputs, shapes, outputs)
    return _filled(graph, places, _weights(module))


@contextmanager
def exporting_once() -> Iterator[None]:
    """Whatever is exported meanwhile uses the session's traces."""
    torch_export._export = export
    try:
        yield
    finally:
        torch_export._export = REAL


def _weights(module: nn.Module) -> Weights:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        name: tensor for name, tensor in tensors.items() if tensor.dtype == torch.float32 and tensor.numel()
    }


def _structure(module: nn.Module, inputs: Any, shapes: tuple[Any, ...], outputs: Sequence[str]) -> str:
    """All that decides the graph but for the weights' values."""
    modules = module.named_modules(remove_duplicate=False)
    parts = [
        f"{name} {type(of).__module__}.{type(of).__qualname__} {_plain(vars(of))}" for name, of in modules
    ]
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    weights = _weights(module)
    parts += [f"{name} {tuple(t.shape)} {t.dtype}" for name, t in tensors.items()]
    parts += [f"{name} {tensor.tolist()}" for name, tensor in tensors.items() if name not in weights]
    parts += [f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in inputs.items()]
    return "\n".join([*parts, repr(shapes), repr(list(outputs))])


def _plain(values: dict[str, Any]) -> str:
    """Settings of a module: what is no tensor and no module, and says the same in every process."""
    settings = {}
    for name, value in values.items():
        if hasattr(value, "to_dict"):
            value = value.to_dict()
        text = repr(value)
        if (
            name not in ("_parameters", "_buffers", "_modules")
            and " at 0x" not in text
            and "tensor(" not in text
        ):
            settings[name] = text
    return json.dumps(settings, sort_keys=True)


@contextmanager
def _numbered(weights: Weights) -> Iterator[np.ndarray]:
    """Stand-in weights: every element is its place among all elements, counted from one, over 2 ** 23."""
    kept = {name: tensor.detach().clone() for name, tensor in weights.items()}
    sizes = [tensor.numel() for tensor in weights.values()]
    numbers = torch.arange(1, sum(sizes) + 1, dtype=torch.float32) / SCALE
    with torch.no_grad():
        for tensor, part in zip(weights.values(), numbers.split(sizes), strict=True):
            tensor.copy_(part.view(tensor.shape))
    try:
        yield numbers.numpy()
    finally:
        with torch.no_grad():
            for name, tensor in weights.items():
                tensor.copy_(kept[name])


def _trace(module: nn.Module, inputs: Any, shapes: Any, outputs: list[str]) -> tuple[bytes, Places | None]:
    """A graph, and per stored tensor its elements' places among all weights; none where one has others."""
    with _numbered(_weights(module)) as numbers:
        graph = REAL(module, inputs, shapes, outputs)
    places: Places = {}
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32:
            continue
        of = np.rint(array.astype(np.float64) * SCALE).clip(0, len(numbers)).astype(np.int64)
        if np.array_equal(np.concatenate([[np.float32(0)], numbers])[of], array):
            places[tensor.name] = of
        elif array.size > 1:
            return b"", None
    return graph.SerializeToString(), places


def _filled(graph: bytes, places: Places, weights: Weights) -> onnx.ModelProto:
    model = onnx.ModelProto.FromString(graph)
    flat = np.concatenate(
        [[np.float32(0)], *(tensor.detach().numpy().ravel() for tensor in weights.values())]
    )
    for tensor in model.graph.initializer:
        if tensor.name in places:
            tensor.CopyFrom(numpy_helper.from_array(flat[places[tensor.name]], tensor.name))
    return model
