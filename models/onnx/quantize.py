"""Lower precision for the base's weights in a joined graph: stored as float16, or as int8 or int4 in blocks.

Only the weights that ``base_logits`` is computed from are converted. The corrected suffix reads the same
tensors, so both paths see the same base. Detectors and LoRA keep their precision. Heads (``Gemm``) are not
quantised, because they are small and decide the label.

Products with int8 and int4 weights run in integers: ``MatMulNBits`` rounds activations too, with one scale
per block of one token. No scale is shared between rows, as a dynamic scale per tensor would be, so no answer
depends on the other rows of the batch; ``evenhand export`` tests that on the machine it runs on. A narrow
last block (:mod:`evenhand.models.onnx.narrow`) takes its token twice, because a product of one row runs in
another kernel and rounding magnifies its differences (docs/adr/0034).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from evenhand.models.onnx.join import base_only, store_float16
from evenhand.models.onnx.narrow import TOKEN, branches, narrow
from evenhand.typing import Float32s

Precision = Literal["float16", "int8", "int4"]

DOMAIN = "com.microsoft"
BITS: dict[Precision, int] = {"int8": 8, "int4": 4}
BLOCKS: dict[Precision, int] = {"int8": 64, "int4": 32}
"""Number of weights that share one scale and zero point; fewer where a matrix has fewer inputs.

128 is faster but not batch-invariant: its kernel adds in another order for an odd number of tokens
(docs/adr/0011).
"""
SMALLEST = 1024
"""Weights with fewer elements stay as they are."""
INTEGERS = 4
"""``accuracy_level`` of ``MatMulNBits``; with float32 activations one row takes up to four times as long."""
LEAST_BLOCK = 16


@dataclass(frozen=True)
class _Packed:
    """A quantised weight."""

    tensors: list[TensorProto]
    attributes: dict[str, int]
    """Of the node that multiplies with it."""

    @property
    def names(self) -> list[str]:
        return [tensor.name for tensor in self.tensors]


def convert_weights(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """A copy of a joined graph (:func:`evenhand.models.onnx.join.join`) whose base weights take fewer bytes.

    Args:
        model: The graph, its weights stored as float32 or float16.
        precision: How to store them.
    """
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    _fold_casts(converted.graph)
    weights = _base_weights(converted)
    narrow(converted)
    if precision == "float16":
        _round(converted.graph, weights)
    else:
        _never_one_row(converted.graph)
        _quantize(converted, weights, precision)
    # Weights that hold float16 values, because they were stored so or rounded, are stored as float16.
    return store_float16(converted, SMALLEST)


def _fold_casts(graph: GraphProto) -> None:
    """Undo :func:`evenhand.models.onnx.join.store_float16`: store the same values as float32 again."""
    halves = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in halves]
    for node in casts:
        tensor = halves[node.input[0]]
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), node.output[0])
        )
        graph.node.remove(node)


def _base_weights(model: onnx.ModelProto) -> dict[str, Float32s]:
    """Large float32 weights that the base's answer is computed from, by name."""
    arrays = {t.name: numpy_helper.to_array(t) for t in base_only(model).graph.initializer}
    return {name: a for name, a in arrays.items() if a.dtype == np.float32 and a.size >= SMALLEST}


def _round(graph: GraphProto, weights: dict[str, Float32s]) -> None:
    """Round to float16 values; a weight beyond float16's range stays."""
    for tensor in graph.initializer:
        if tensor.name in weights:
            with np.errstate(over="ignore"):
                rounded = weights[tensor.name].astype(np.float16).astype(np.float32)
            if np.isfinite(rounded).all():
                tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))


def _quantize(model: onnx.ModelProto, weights: dict[str, Float32s], precision: Precision) -> None:
    """Replace the products and look-ups that read a base weight, in the graph and in its branches."""
    graphs = list(_graphs(model.graph))
    packed: dict[str, _Packed] = {}
    for name, weight in weights.items():
        readers = _readers(graphs, name)
        if weight.ndim == 2 and len(weight) >= LEAST_BLOCK and readers == {("MatMul", 1)}:
            packed[name] = _matrix(name, weight, precision)
        elif weight.ndim == 2 and readers == {("Gather", 0)}:
            packed[name] = _table(name, weight)
    for graph in graphs:
        nodes = [new for node in graph.node for new in _replacement(node, packed)]
        del graph.node[:]
        graph.node.extend(nodes)
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in packed]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, *(tensor for made in packed.values() for tensor in made.tensors)])
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """All branches, innermost first, then the graph, because replacing its nodes copies their branches."""
    for branch in branches(graph):
        yield from _graphs(branch)
    yield graph


def _never_one_row(graph: GraphProto) -> None:
    """Let a narrow block take its token twice."""
    for tensor in graph.initializer:
        if tensor.name == TOKEN:
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(2, dtype=np.int64), TOKEN))


def _readers(graphs: list[GraphProto], name: str) -> set[tuple[str, int]]:
    """Kind of node and place among its inputs, for every reader of a tensor."""
    return {
        (node.op_type, place)
        for graph in graphs
        for node in graph.node
        for place, read in enumerate(node.input)
        if read == name
    }


def _matrix(name: str, weight: Float32s, precision: Precision) -> _Packed:
    """A matrix ``(inputs, outputs)`` in blocks along its inputs, as ``MatMulNBits`` takes it."""
    (inputs, outputs), bits = weight.shape, BITS[precision]
    # Blocks are powers of two.
    block = min(BLOCKS[precision], 1 << (inputs.bit_length() - 1))
    padded = np.pad(weight.T, ((0, 0), (0, -inputs % block))).reshape(outputs, -1, block)
    # Zero lies on the grid, so padding and true zeros stay zero.
    low, high = np.minimum(padded.min(axis=2), 0), np.maximum(padded.max(axis=2), 0)
    scales = (high - low) / np.float32(2**bits - 1)
    scales[scales == 0] = 1
    zero = np.rint(-low / scales)
    values = np.clip(np.rint(padded / scales[..., None] + zero[..., None]), 0, 2**bits - 1)
    parts = {"quantized": _bytes(values, bits), "scales": scales, "zero_points": _bytes(zero, bits)}
    return _Packed(
        [numpy_helper.from_array(part, f"{name}/{what}") for what, part in parts.items()],
        {"K": inputs, "N": outputs, "bits": bits, "block_size": block, "accuracy_level": INTEGERS},
    )


def _bytes(values: Float32s, bits: int) -> NDArray[np.uint8]:
    """Whole numbers along the last axis as bytes; of two that share a byte the first has the low half."""
    whole = values.astype(np.uint8)
    if bits == 8:
        return whole
    even = np.pad(whole, [(0, 0)] * (whole.ndim - 1) + [(0, whole.shape[-1] % 2)])
    packed: NDArray[np.uint8] = even[..., ::2] | (even[..., 1::2] << np.uint8(4))
    return packed


def _table(name: str, table: Float32s) -> _Packed:
    """An embedding table with one scale per row, always int8: a look-up has no sum that averages rounding."""
    scale = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    values = np.rint(table / scale).astype(np.int8)
    return _Packed(
        [
            numpy_helper.from_array(values, f"{name}/quantized"),
            numpy_helper.from_array(scale, f"{name}/scales"),
        ],
        {},
    )


def _replacement(node: NodeProto, packed: dict[str, _Packed]) -> list[NodeProto]:
    """The nodes that take a node's place; the node itself where no weight of it is packed."""
    make, out = helper.make_node, list(node.output)
    if node.op_type == "MatMul" and node.input[1] in packed:
        weight = packed[node.input[1]]
        return [make("MatMulNBits", [node.input[0], *weight.names], out, domain=DOMAIN, **weight.attributes)]
    if node.op_type == "Gather" and node.input[0] in packed:
        values, scales = packed[node.input[0]].names
        at, name = node.input[1], out[0]
        return [
            make("Gather", [values, at], [f"{name}/rows"], axis=0),
            make("Gather", [scales, at], [f"{name}/scales"], axis=0),
            make("Cast", [f"{name}/rows"], [f"{name}/float"], to=TensorProto.FLOAT),
            make("Mul", [f"{name}/float", f"{name}/scales"], out),
        ]
    return [node]
