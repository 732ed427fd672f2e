"""ONNX surgery: a classifier of any producer to a graph from a table's columns to logits.

::

    values (batch, numbers) double, texts (batch, texts) -> [columns as the model takes them]
    -> [the model, as it is] -> probabilities or logits -> base_logits (batch, classes) float32

The model's own nodes stay as they are. Probabilities become logits in double precision, and the highest is
set to 0 before they are rounded: so the label is the model's even where two probabilities nearly agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, version_converter

from evenhand.typing import Array

PREFIX, AROUND = "box/", "around/"
"""Of the model's own names, and of those that are added around it."""
AXIS = f"{AROUND}axis"
"""Name of the constant that says along which axis labels lie."""
IR = 10
"""Version of the file's form that opset 20 and the newest trees need."""
LEAST_PROBABILITY = 1e-12
"""Smaller ones have no logit that a correction could be added to; float32 scores do not show them."""
NUMBERS = {
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.BOOL,
}
WHOLE = {TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL}
"""Types that have no missing value."""
ML = "ai.onnx.ml"
SINGLE_TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
"""Operators whose thresholds are float32 as a rule; their libraries round the features first."""
REDUCTIONS = (
    *("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum"),
    *("ReduceLogSumExp", "ReduceSumSquare"),
)
AXES_AS_INPUT = 18
"""The version since which their axes are an input."""
Scale = Literal["probabilities", "logits"]


class BoxError(ValueError):
    """This ONNX model cannot be a base; the message says why and what can."""


@dataclass(frozen=True)
class Feature:
    """One column that the model reads."""

    name: str
    text: bool
    """Whether its values are texts; else numbers."""


@dataclass(frozen=True)
class Scores:
    """Which value of the model is the score of its labels, and what it is."""

    name: str
    scale: Scale
    width: int
    """Columns. A model of two labels may give one score, that of the second."""


@dataclass(frozen=True)
class BoxInput:
    """One input of the model, and the features that it is made of."""

    name: str
    kind: int
    """The element type, as ONNX numbers them."""
    rank: int
    features: tuple[int, ...]
    """Places in the list of features."""


def read_model(content: bytes, folder: Path | None = None) -> onnx.ModelProto:
    """Parse an ONNX file and unfold its functions.

    Args:
        content: The file's.
        folder: Where it lies; weights in files beside it are read too.

    Raises:
        BoxError: it is none, or its weights lie in files that are not there.
    """
    try:
        model = onnx.load_model_from_string(content)
        if folder is not None and _external(model):
            onnx.load_external_data_for_model(model, str(folder))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's errors share no public base class
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BoxError(f"not a valid ONNX model ({reason})") from error
    if _external(model):
        raise BoxError("its weights lie in other files; export it as one file")
    return inliner.inline_local_functions(model) if model.functions else model


def _external(model: onnx.ModelProto) -> bool:
    return any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer)


def inputs_of(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that a caller feeds: those that are no weights."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def dims_of(value: onnx.ValueInfoProto) -> list[int | None]:
    """The sizes of a value's axes; ``None`` where they are free."""
    return [dim.dim_value or None for dim in value.type.tensor_type.shape.dim]


def assign(model: onnx.ModelProto, features: Sequence[Feature]) -> list[BoxInput]:
    """Which features feed which input: one input per feature, or one matrix of all.

    Raises:
        BoxError: neither fits, or an input takes numbers where the table has texts.
    """
    values = inputs_of(model)
    if len(values) == len(features) and all(_width(value) in (1, None) for value in values):
        places = _places(values, features)
        listed = [_input(value, (place,)) for value, place in zip(values, places, strict=True)]
    elif len(values) == 1 and _width(values[0]) in (len(features), None):
        listed = [_input(values[0], tuple(range(len(features))))]
    else:
        widths = ", ".join(f"{value.name} of width {_width(value) or 'any'}" for value in values)
        raise BoxError(
            f"it takes {widths}, and there are {len(features)} features; "
            "name its features in their order with --feature"
        )
    for box_input in listed:
        _check_kind(box_input, features)
    return listed


def labels_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """The labels that the model itself names, in the order of its scores; empty if it names none."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("classlabels_strings",) and attribute.strings:
                return tuple(text.decode() for text in attribute.strings)
            if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
                return tuple(str(number) for number in attribute.ints)
    return ()


def texts_in(model: onnx.ModelProto) -> frozenset[str]:
    """Every text that the model holds: the categories that it may know."""
    texts: list[bytes] = []
    for tensor in model.graph.initializer:
        texts += tensor.string_data
    for node in _nodes(model.graph):
        for attribute in node.attribute:
            texts += [*attribute.strings, *attribute.t.string_data]
    return frozenset(text.decode(errors="replace") for text in texts)


def scores_of(model: onnx.ModelProto) -> list[str]:
    """Names of what may be scores: float outputs, and what a ``ZipMap`` reads."""
    zipped = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "ZipMap"}
    names = []
    for value in model.graph.output:
        if value.name in zipped:
            names.append(zipped[value.name])
        elif value.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE):
            names.append(value.name)
    return names


def wrap(model: onnx.ModelProto, features: Sequence[Feature], scores: Scores, opset: int) -> onnx.ModelProto:
    """The graph from ``values`` and ``texts`` to ``base_logits``.

    Args:
        model: The user's, with any operators.
        features: Its columns in order; numbers and texts keep this order among themselves.
        scores: Where its answer is.
        opset: Version of the standard operators that the joined graph has.

    Raises:
        BoxError: its operators have no such version, or its inputs do not fit the features.
    """
    listed = assign(model, features)
    box = at_opset(pruned(model, scores.name), opset)
    round_for_trees(box.graph)
    add_prefix(box.graph, PREFIX)
    after, constants = logits_nodes(PREFIX + scores.name, scores)
    for each in listed:
        constants[f"{AROUND}{each.name}/at"] = np.array(_column(features, each.features))
    counts = {"values": sum(not of.text for of in features), "texts": sum(of.text for of in features)}
    kinds = {"values": TensorProto.DOUBLE, "texts": TensorProto.STRING}
    graph = helper.make_graph(
        [*(node for each in listed for node in _feed(each, features)), *box.graph.node, *after],
        "box",
        [
            helper.make_tensor_value_info(name, kinds[name], ["batch", count])
            for name, count in counts.items()
            if count
        ],
        [helper.make_tensor_value_info("base_logits", TensorProto.FLOAT, ["batch", max(scores.width, 2)])],
        [
            *box.graph.initializer,
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
        ],
    )
    wrapped = helper.make_model(graph, opset_imports=box.opset_import, ir_version=max(box.ir_version, IR))
    try:
        onnx.checker.check_model(wrapped)
    except onnx.checker.ValidationError as error:
        raise BoxError(f"its graph is not valid ({str(error).splitlines()[0]})") from error
    return wrapped


def at_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model with the standard operators of one version.

    Raises:
        BoxError: an operator has changed, and ONNX cannot convert it.
    """
    own = next((of.version for of in model.opset_import if of.domain in ("", "ai.onnx")), opset)
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    if own < AXES_AS_INPUT <= opset:
        _axes_to_inputs(converted.graph)
    changed = {
        node.op_type
        for node in _nodes(converted.graph)
        if node.domain in ("", "ai.onnx") and not _stays(node, own, opset)
    }
    if changed:
        try:
            converted = version_converter.convert_version(model, opset)
        except Exception as error:  # the converter's errors share no public base class
            raise BoxError(
                f"opset {own} of its operators {', '.join(sorted(changed))} cannot become opset {opset}; "
                f"export it with opset {opset}"
            ) from error
    others = [of for of in converted.opset_import if of.domain not in ("", "ai.onnx")]
    kept = {of.domain: of for of in others}
    del converted.opset_import[:]
    converted.opset_import.extend([helper.make_opsetid("", opset), *kept.values()])
    return converted


def _stays(node: onnx.NodeProto, own: int, opset: int) -> bool:
    """Whether a node of one version means the same in a newer one: what is new are types and options."""
    try:
        before, after = (onnx.defs.get_schema(node.op_type, version, "") for version in (own, opset))
    except onnx.defs.SchemaError:
        return False
    if node.op_type in REDUCTIONS and own < AXES_AS_INPUT <= opset:
        return True  # axes are an input by now
    same = all(
        name in after.attributes and after.attributes[name].default_value == of.default_value
        for name, of in before.attributes.items()
    )
    return same and before.min_input == after.min_input and before.max_input <= after.max_input


def _axes_to_inputs(graph: onnx.GraphProto) -> None:
    """Write axes of reductions as inputs, as newer versions have them; ONNX's converter changes more."""
    for node in _nodes(graph):
        if node.op_type not in REDUCTIONS or node.domain not in ("", "ai.onnx"):
            continue
        for attribute in [each for each in node.attribute if each.name == "axes"]:
            name = f"{node.output[0]}/axes"
            graph.initializer.append(numpy_helper.from_array(np.array(attribute.ints, dtype=np.int64), name))
            node.input.append(name)
            node.attribute.remove(attribute)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of branches and loops as well."""
    for node in graph.node:
        yield from _nodes_of(node)


def _nodes_of(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """A node and those inside of it."""
    yield node
    for inner in _inner_graphs(node):
        yield from _nodes(inner)


def _inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _width(value: onnx.ValueInfoProto) -> int | None:
    """Columns of an input; 1 for a vector, ``None`` where any number will do."""
    dims = dims_of(value)
    return 1 if len(dims) == 1 else dims[1] if len(dims) == 2 else None


def _places(values: Sequence[onnx.ValueInfoProto], features: Sequence[Feature]) -> list[int]:
    """The feature of each input: by name where all names agree, else by order."""
    by_name = {feature.name: place for place, feature in enumerate(features)}
    named = [by_name.get(value.name) for value in values]
    return [place for place in named if place is not None] if None not in named else list(range(len(values)))


def _input(value: onnx.ValueInfoProto, features: tuple[int, ...]) -> BoxInput:
    tensor = value.type.tensor_type
    return BoxInput(value.name, tensor.elem_type, len(tensor.shape.dim) or 2, features)


def _check_kind(box_input: BoxInput, features: Sequence[Feature]) -> None:
    texts = [features[place].name for place in box_input.features if features[place].text]
    if box_input.kind == TensorProto.STRING and len(texts) < len(box_input.features):
        number = next(features[place].name for place in box_input.features if not features[place].text)
        raise BoxError(f"its input {box_input.name!r} takes texts, and column {number!r} holds numbers")
    if box_input.kind != TensorProto.STRING and texts:
        raise BoxError(
            f"its input {box_input.name!r} takes numbers, and column {texts[0]!r} holds text; "
            "give the table as the model takes it, or the whole pipeline that turns texts into numbers"
        )
    if box_input.kind not in (*NUMBERS, TensorProto.STRING):
        kind = TensorProto.DataType.Name(box_input.kind)
        raise BoxError(f"its input {box_input.name!r} takes {kind}, which no column of a table is")


def _column(features: Sequence[Feature], places: Sequence[int]) -> list[int]:
    """Places among the numbers, or among the texts."""
    return [sum(other.text == features[place].text for other in features[:place]) for place in places]


def _feed(box_input: BoxInput, features: Sequence[Feature]) -> list[onnx.NodeProto]:
    """What makes an input of the model of the table's columns."""
    name, own = PREFIX + box_input.name, AROUND + box_input.name
    text = features[box_input.features[0]].text
    source, picked = ("texts" if text else "values"), f"{own}/columns"
    nodes = [helper.make_node("Gather", [source, f"{own}/at"], [picked], axis=1)]
    if box_input.rank == 1:
        nodes.append(helper.make_node("Squeeze", [picked, AXIS], [f"{own}/flat"]))
        picked = f"{own}/flat"
    if text:
        return [*nodes, helper.make_node("Identity", [picked], [name])]
    return [*nodes, helper.make_node("Cast", [picked], [name], to=box_input.kind)]


def logits_nodes(name: str, scores: Scores) -> tuple[list[onnx.NodeProto], dict[str, Array]]:
    """Nodes from scores to ``base_logits``, whose highest is 0, and their constants."""
    node, p = helper.make_node, f"{AROUND}scores/"
    constants: dict[str, Array] = {AXIS: np.array([1])}
    nodes = [node("Cast", [name], [f"{p}double"], to=TensorProto.DOUBLE)]
    current = f"{p}double"
    if scores.width == 1:  # that of the second label; a vector becomes a column
        # The first label's is the rest of 1, or the logit 0.
        operator, number = ("Sub", 1.0) if scores.scale == "probabilities" else ("Mul", 0.0)
        constants |= {f"{p}column": np.array([-1, 1]), f"{p}number": np.array(number)}
        nodes += [
            node("Reshape", [current, f"{p}column"], [f"{p}second"]),
            node(operator, [f"{p}number", f"{p}second"], [f"{p}first"]),
            node("Concat", [f"{p}first", f"{p}second"], [f"{p}both"], axis=1),
        ]
        current = f"{p}both"
    if scores.scale == "probabilities":
        constants[f"{p}least"] = np.array(LEAST_PROBABILITY)
        nodes += [node("Max", [current, f"{p}least"], [f"{p}kept"]), node("Log", [f"{p}kept"], [f"{p}log"])]
        current = f"{p}log"
    nodes += [
        node("ReduceMax", [current, AXIS], [f"{p}highest"], keepdims=1),
        node("Sub", [current, f"{p}highest"], [f"{p}below"]),
        node("Cast", [f"{p}below"], ["base_logits"], to=TensorProto.FLOAT),
    ]
    return nodes, constants


def pruned(model: onnx.ModelProto, name: str, typed: bool = False) -> onnx.ModelProto:
    """A copy with what one value needs.

    Args:
        model: The model.
        name: Of the value.
        typed: Whether declared types of values stay: fusions need them. Converters declare wrong ones.
    """
    needed, nodes = {name}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= {read for inner in _nodes_of(node) for read in inner.input}
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    types = [value for value in model.graph.value_info if typed and value.name in needed]
    del kept.graph.node[:], kept.graph.value_info[:], kept.graph.initializer[:], kept.graph.output[:]
    kept.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    kept.graph.node.extend(reversed(nodes))
    kept.graph.initializer.extend(weights)
    kept.graph.value_info.extend(types)
    return kept


def round_for_trees(graph: onnx.GraphProto) -> None:
    """Round the features of trees with float32 thresholds, as scikit-learn and XGBoost do themselves."""
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type in SINGLE_TREES and not _in_double(node):
            rounded = f"{node.input[0]}/rounded/{len(nodes)}"
            nodes.append(helper.make_node("Cast", [node.input[0]], [rounded], to=TensorProto.FLOAT))
            node.input[0] = rounded
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _in_double(node: onnx.NodeProto) -> bool:
    return any(attribute.name.endswith("_as_tensor") for attribute in node.attribute)


def add_prefix(graph: onnx.GraphProto, prefix: str) -> None:
    """Prefix every name in place, those in branches as well."""
    graph.name = prefix + graph.name
    for node in _nodes(graph):
        node.name = prefix + node.name if node.name else ""
        for names in (node.input, node.output):
            names[:] = [prefix + name if name else name for name in names]
        for inner in _inner_graphs(node):
            for part in (*inner.input, *inner.output, *inner.initializer, *inner.value_info):
                part.name = prefix + part.name
    for part in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        part.name = prefix + part.name
