"""A word vectorizer as ONNX: ids of words to counts or weights, of the columns alone that a batch holds.

::

    input_ids (batch, tokens) -> columns (batch, places), one per sequence of words that is counted
    -> the distinct columns of the batch (some,) -> counts (batch, some) -> weights (batch, some)
    -> features (batch, all columns), or, for a linear model, its scores at once

A vocabulary has tens of thousands of columns and a batch a few hundred: no step but the last computes all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from evenhand.models.onnx.black_box import IR, ML
from evenhand.models.onnx.torch_export import OPSET
from evenhand.typing import Array, Float64s

ML_VERSION = 3


@dataclass(frozen=True)
class Vocabulary:
    """What is counted."""

    sequences: Sequence[tuple[str, ...]]
    """The words of each column."""
    ids: Mapping[str, int]
    """The id of each word."""
    binary: bool
    """Whether a word counts once in a text."""
    weights: Any = None
    """A fitted ``TfidfTransformer``, if there is one."""


@dataclass
class _Nodes:
    """A graph in the making."""

    listed: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:  # noqa: ANN401
        """One node; its output's name."""
        self.listed.append(helper.make_node(operator, list(inputs), [f"words/{name}"], **attributes))
        return f"words/{name}"

    def constant(self, name: str, value: Any) -> str:  # noqa: ANN401 - numbers
        """One constant's name."""
        self.constants[f"words/{name}"] = np.asarray(value)
        return f"words/{name}"


def dense_graph(vocabulary: Vocabulary, kind: int) -> onnx.ModelProto:
    """``input_ids (batch, tokens)`` to ``features (batch, columns)``.

    Args:
        vocabulary: What is counted.
        kind: Element type of the features, as ONNX numbers them.
    """
    nodes = _Nodes()
    values, columns = _weights(nodes, vocabulary)
    size = len(vocabulary.sequences)
    # What is no column weighs 0; it is added to the first one.
    counted = nodes.add("Less", [columns, nodes.constant("size", size)], "is_column")
    places = nodes.add("Where", [counted, columns, nodes.constant("first", 0)], "places")
    shape = nodes.add("Shape", [values], "values_shape")
    indices = nodes.add("Expand", [places, shape], "indices")
    rows = nodes.add("Slice", [shape, nodes.constant("from", [0]), nodes.constant("to", [1])], "rows")
    whole = nodes.add("Concat", [rows, nodes.constant("sizes", [size])], "whole", axis=0)
    empty = nodes.add("ConstantOfShape", [whole], "empty", value=_zero(TensorProto.DOUBLE))
    spread = nodes.add("ScatterElements", [empty, indices, values], "spread", axis=1, reduction="add")
    nodes.listed.append(helper.make_node("Cast", [spread], ["features"], to=kind))
    return _model(nodes, helper.make_tensor_value_info("features", kind, ["batch", size]))


def linear_graph(vocabulary: Vocabulary, coefficients: Float64s, intercepts: Float64s) -> onnx.ModelProto:
    """``input_ids (batch, tokens)`` to ``scores (batch, outputs)`` in double.

    Args:
        vocabulary: What is counted.
        coefficients: ``(outputs, columns)``.
        intercepts: ``(outputs,)``.
    """
    nodes = _Nodes()
    values, columns = _weights(nodes, vocabulary)
    every = np.concatenate([coefficients.T, np.zeros((1, len(coefficients)))])
    some = nodes.add("Gather", [nodes.constant("coefficients", every), columns], "some", axis=0)
    product = nodes.add("MatMul", [values, some], "product")
    nodes.listed.append(
        helper.make_node("Add", [product, nodes.constant("intercepts", intercepts)], ["scores"])
    )
    return _model(
        nodes, helper.make_tensor_value_info("scores", TensorProto.DOUBLE, ["batch", len(coefficients)])
    )


def _model(nodes: _Nodes, output: onnx.ValueInfoProto) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes.listed,
        "words",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "seq"])],
        [output],
        [numpy_helper.from_array(value, name) for name, value in nodes.constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR)


def _zero(kind: int) -> onnx.TensorProto:
    return helper.make_tensor("zero", kind, [1], [0])


def _columns(nodes: _Nodes, vocabulary: Vocabulary) -> str:
    """``(batch, places)`` the column of every sequence of words; the number of columns for no column."""
    none, longest = len(vocabulary.sequences), max(map(len, vocabulary.sequences))
    own = {sequence: column for column, sequence in enumerate(vocabulary.sequences)}
    size = max(vocabulary.ids.values()) + 1
    ids = "input_ids"
    if longest > 1:  # a short text gets padding behind it, which is in no sequence
        ids = nodes.add("Pad", [ids, nodes.constant("behind", [0, 0, 0, longest - 1])], "padded")
    parts: list[str] = []
    states: dict[tuple[str, ...], int] = {(word,): place for word, place in vocabulary.ids.items()}
    state = ids
    for length in range(1, longest + 1):
        if length > 1:
            prefixes = sorted({each[:length] for each in vocabulary.sequences if len(each) >= length})
            keys = [states[each[:-1]] * size + vocabulary.ids[each[-1]] for each in prefixes]
            # State 0 begins nothing: no key is below the number of ids.
            states = {each: place + 1 for place, each in enumerate(prefixes)}
            state = _next(nodes, (state, ids), length, size, keys)
        table = np.full(max(states.values()) + 1, none)
        for each, place in states.items():
            table[place] = own.get(each, none)
        if (table < none).any():
            listed = nodes.constant(f"columns_{length}", table)
            parts.append(nodes.add("Gather", [listed, state], f"of_{length}"))
    return parts[0] if len(parts) == 1 else nodes.add("Concat", parts, "columns", axis=1)


def _next(nodes: _Nodes, before: tuple[str, str], length: int, size: int, keys: Sequence[int]) -> str:
    """States of sequences of one word more: of the states before and of the words that follow."""
    state, ids = before
    axis, last = nodes.constant("tokens_axis", [1]), nodes.constant("far", [np.iinfo(np.int64).max])
    shorter = nodes.add(
        "Slice",
        [state, nodes.constant("begin", [0]), nodes.constant("last", [-1]), axis],
        f"prefix_{length}",
    )
    following = nodes.add(
        "Slice", [ids, nodes.constant(f"begin_{length}", [length - 1]), last, axis], f"following_{length}"
    )
    high = nodes.add("Mul", [shorter, nodes.constant("ids", size)], f"high_{length}")
    key = nodes.add("Add", [high, following], f"key_{length}")
    return nodes.add(
        "LabelEncoder",
        [key],
        f"state_{length}",
        domain=ML,
        keys_int64s=list(keys),
        values_int64s=list(range(1, len(keys) + 1)),
        default_int64=0,
    )


def _weights(nodes: _Nodes, vocabulary: Vocabulary) -> tuple[str, str]:
    """Names of the weights ``(batch, some)`` in double, and of their columns ``(some,)``, ascending."""
    columns = _columns(nodes, vocabulary)
    flat = nodes.add("Reshape", [columns, nodes.constant("flat", [-1])], "listed")
    distinct, inverse = "words/distinct", "words/inverse"
    nodes.listed.append(helper.make_node("Unique", [flat], [distinct, "", inverse], sorted=1))
    shape = nodes.add("Shape", [columns], "shape")
    places = nodes.add("Reshape", [inverse, shape], "at")
    batch = nodes.add("Slice", [shape, nodes.constant("0", [0]), nodes.constant("1", [1])], "batch")
    size = nodes.add("Concat", [batch, nodes.add("Shape", [distinct], "some_count")], "counts_shape", axis=0)
    empty = nodes.add("ConstantOfShape", [size], "nothing", value=_zero(TensorProto.DOUBLE))
    ones = nodes.add(
        "ConstantOfShape", [shape], "ones", value=helper.make_tensor("one", TensorProto.DOUBLE, [1], [1])
    )
    current = nodes.add("ScatterElements", [empty, places, ones], "counts", axis=1, reduction="add")
    one = nodes.constant("one", 1.0)
    if vocabulary.binary:
        current = nodes.add("Min", [current, one], "binary")
    return _weighted(nodes, vocabulary, current, distinct), distinct


def _weighted(nodes: _Nodes, vocabulary: Vocabulary, counts: str, columns: str) -> str:
    """Counts to weights as scikit-learn computes them.

    skl2onnx has a converter too; its logarithm of counts is another, and it divides by 0 where no word is.
    """
    weights, one, current = vocabulary.weights, "words/one", counts
    every = np.ones(len(vocabulary.sequences) + 1)
    if weights is not None and weights.sublinear_tf:  # 1 + log of counts from 1 on, 0 for 0
        log = nodes.add("Log", [nodes.add("Max", [current, one], "at_least_one")], "log")
        current = nodes.add("Add", [log, nodes.add("Min", [current, one], "any")], "sublinear")
    if weights is not None and weights.use_idf:
        every[:-1] = weights.idf_
    every[-1] = 0.0
    factors = nodes.add("Gather", [nodes.constant("factors", every), columns], "factors_here")
    current = nodes.add("Mul", [current, factors], "rare")
    if weights is None or weights.norm is None:
        return current
    axis = nodes.constant("columns_axis", [1])
    norm = nodes.add({"l1": "ReduceL1", "l2": "ReduceL2"}[weights.norm], [current, axis], "norm")
    empty = nodes.add("Equal", [norm, nodes.constant("nought", 0.0)], "is_empty")
    return nodes.add("Div", [current, nodes.add("Where", [empty, one, norm], "divisor")], "normed")
