"""The exporter traces each structure once per session; models that differ in weights only share the trace.

Tracing a tiny model takes seconds, and most tests of fits differ in weights alone. The trace is of a model
whose weights are marked, so that every element of a stored tensor says which weight it is, or that it is
nought; a model's own weights are then put in their places. A graph that stores anything else but single
numbers, which may have been computed from weights, or that answers otherwise than its model, is not shared:
each model of that kind is exported itself. ``tests/theory`` exports every kind of model without this, as
the command line does in ``tests/e2e``; ``test_export_once.py`` compares the two ways.
"""

import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper
from shared_cache import cached
from torch import nn

from evenhand.models.onnx import torch_export

Weights = dict[str, torch.Tensor]
Places = dict[str, np.ndarray]
MARKS = 2**24
"""Whole numbers below it, divided by it, are float32 values, each its own."""
REAL = torch_export._export


def export(module: nn.Module, inputs: Any, shapes: tuple[Any, ...], outputs: list[str]) -> onnx.ModelProto:
    """As the exporter, from the session's trace where there is one."""
    module.eval()
    used = _used(module)
    key = f"{type(module).__qualname__} {_structure(used)} {_arrays(inputs)} {shapes!r} {list(outputs)}"
    graph, places = pickle.loads(
        cached(key, lambda: pickle.dumps(_trace(module, used, inputs, shapes, outputs)))
    )
    if places is None:
        return REAL(module, inputs, shapes, outputs)
    return _filled(graph, places, _weights(used))


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


def _used(module: nn.Module) -> nn.Module:
    """What decides a graph: of the base's piece not the corrector, which it only carries along."""
    if isinstance(module, torch_export._Prefix):
        return nn.ModuleList([module.fairnet.split, module.fairnet.detectors])
    return module


def _structure(module: nn.Module) -> str:
    """All of a module that decides its graph but for the weights' values."""
    modules = module.named_modules(remove_duplicate=False)
    parts = [
        f"{name} {type(of).__module__}.{type(of).__qualname__} {_plain(vars(of))}" for name, of in modules
    ]
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    weights = _weights(module)
    parts.append(_arrays(tensors))
    parts += [f"{name} {tensor.tolist()}" for name, tensor in tensors.items() if name not in weights]
    return "\n".join(parts)


def _arrays(tensors: Mapping[str, torch.Tensor]) -> str:
    return " ".join(f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in tensors.items())


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
def _marked(weights: Weights) -> Iterator[np.ndarray]:
    """Stand-in weights: every element is its own random number, so sparse that no factor makes another."""
    kept = {name: tensor.detach().clone() for name, tensor in weights.items()}
    sizes = [tensor.numel() for tensor in weights.values()]
    marks = np.random.default_rng(0).choice(MARKS, sum(sizes), replace=False).astype(np.float32) / MARKS
    with torch.no_grad():
        for tensor, part in zip(weights.values(), torch.from_numpy(marks).split(sizes), strict=True):
            tensor.copy_(part.view(tensor.shape))
    try:
        yield marks
    finally:
        with torch.no_grad():
            for name, tensor in weights.items():
                tensor.copy_(kept[name])


def _trace(module: nn.Module, used: nn.Module, *more: Any) -> tuple[bytes, Places | None]:
    """A graph, and per stored tensor its elements' places among all weights; none where one has others."""
    with _marked(_weights(used)) as marks:
        graph = REAL(module, *more)
    marks = np.concatenate([[np.float32(0)], marks])
    order, places = np.argsort(marks), {}
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32:
            continue
        of = order[np.searchsorted(marks, array, sorter=order).clip(0, len(marks) - 1)]
        if np.array_equal(marks[of], array):
            places[tensor.name] = of
        elif array.size > 1:
            return b"", None
    traced = graph.SerializeToString()
    return (
        (traced, places) if _agrees(_filled(traced, places, _weights(used)), module, more[0]) else (b"", None)
    )


def _agrees(graph: onnx.ModelProto, module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> bool:
    """Whether a graph with the model's weights answers as the model: no number in it comes from marks."""
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    answers = session.run(None, {name: array.numpy() for name, array in inputs.items() if name in names})
    with torch.no_grad():
        expected = module(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    return all(np.allclose(ours, of.numpy(), atol=1e-4) for ours, of in zip(answers, expected, strict=True))


def _filled(graph: bytes, places: Places, weights: Weights) -> onnx.ModelProto:
    model = onnx.ModelProto.FromString(graph)
    flat = np.concatenate(
        [[np.float32(0)], *(tensor.detach().numpy().ravel() for tensor in weights.values())]
    )
    for tensor in model.graph.initializer:
        if tensor.name in places:
            tensor.CopyFrom(numpy_helper.from_array(flat[places[tensor.name]], tensor.name))
    return model
