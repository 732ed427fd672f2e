"""ONNX surgery: join two exported pieces and the gate into one graph that shares every weight.

::

    ids, mask -> [base with tap] -> base_logits, hidden, risk
    risk, thresholds, modes -> gates -> rows
    If any row: gates[rows], what the corrector reads[rows] -> [suffix] -> scatter into base_logits
    Else:       base_logits

Every row takes the base path, so a closed gate returns the base model's answer by construction, and the base
answer of a corrected row needs no second run. ``If`` keeps zero-row tensors out of the suffix (they break
``Reshape`` with -1), and an unflagged batch costs no more than the detector. Where a head reads one token,
:mod:`evenhand.models.onnx.narrow` removes the work for all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from evenhand.models.onnx.narrow import narrow

READ = {
    "suffix/rows_hidden": "hidden",
    "suffix/rows_mask": "attention_mask",
    "suffix/rows_logits": "base_logits",
    "suffix/rows_risk": "risk",
    "suffix/rows_representation": "representation",
    **{
        f"suffix/rows_{name}": name
        for name in ("input_ids", "attention_mask", "token_type_ids", "pixel_values")
    },
}
"""What a corrector may read of the selected rows, and where the base path has it."""
FLOAT, BOOL, INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64


def join(
    prefix: onnx.ModelProto, suffix: onnx.ModelProto, attributes: int, classes: int, narrows: bool = True
) -> onnx.ModelProto:
    """Join the pieces.

    Args:
        prefix: The rows' arrays ``-> base_logits, hidden, risk``, and ``representation`` where the suffix
            reads it.
        suffix: ``rows_gates`` and any of :data:`READ` ``-> corrected``.
        attributes: Width of ``risk``.
        classes: Width of the logits.
        narrows: Whether to remove work that no answer needs; a model of the user's stays node by node.

    Returns:
        The graph of :mod:`evenhand.models.bundle.runtime_onnx`'s contract.
    """
    prefix, suffix = _prefixed(prefix, ""), _prefixed(suffix, "suffix/")
    ragged = "attention_mask" in [value.name for value in prefix.graph.input]
    initializers = _shared_initializers(prefix, suffix)
    nodes = [*prefix.graph.node, *_gate_nodes(), _if_node(suffix, classes)]
    inputs = [
        *(_row_input(value, ragged) for value in prefix.graph.input),
        helper.make_tensor_value_info("thresholds", FLOAT, [attributes]),
        helper.make_tensor_value_info("modes", INT64, ["batch", attributes]),
    ]
    outputs = [
        *(
            helper.make_tensor_value_info(n, FLOAT, ["batch", classes])
            for n in ("logits", "base_logits", "shadow_logits")
        ),
        helper.make_tensor_value_info("risk", FLOAT, ["batch", attributes]),
        helper.make_tensor_value_info("flagged", BOOL, ["batch", attributes]),
    ]
    shapes = [*prefix.graph.value_info, *_wide(prefix.graph.output)]
    graph = helper.make_graph(
        nodes, "evenhand", inputs, outputs, [*initializers, *_constants()], value_info=shapes
    )
    domains = {of.domain: of for of in (*suffix.opset_import, *prefix.opset_import)}
    version = max(prefix.ir_version, suffix.ir_version)
    model = helper.make_model(graph, opset_imports=list(domains.values()), ir_version=version)
    if narrows:
        narrow(model)
    _strip(model.graph)
    onnx.checker.check_model(model)
    return model


def in_front(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """One graph of two; what the second reads under the name of an output of the first is that output.

    Args:
        first: Its names share nothing with the second's but inputs and outputs.
        second: Its standard operators have the same version.

    Returns:
        A graph with the inputs of both and the outputs of both.
    """
    made = {value.name for value in first.graph.output}
    inputs = {
        value.name: value for value in (*second.graph.input, *first.graph.input) if value.name not in made
    }
    domains = {of.domain: of for of in (*second.opset_import, *first.opset_import)}
    graph = helper.make_graph(
        [*first.graph.node, *second.graph.node],
        "joined",
        list(inputs.values()),
        [*first.graph.output, *second.graph.output],
        [*first.graph.initializer, *second.graph.initializer],
        value_info=[*first.graph.value_info, *second.graph.value_info],
    )
    version = max(first.ir_version, second.ir_version)
    return helper.make_model(graph, opset_imports=list(domains.values()), ir_version=version)


def store_float16(model: onnx.ModelProto, smallest: int = 1024) -> onnx.ModelProto:
    """Store large float32 weights as float16, cast back when the graph is loaded; computing stays float32.

    The weights must already be float16 values (see :func:`round_to_float16`), so that nothing changes.

    Args:
        model: The graph.
        smallest: Weights with fewer elements stay as they are.
    """
    casts = []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = array.astype(np.float16) if array.dtype == np.float32 and array.size >= smallest else None
        if half is None or not np.array_equal(half.astype(np.float32), array):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/float16"))
        casts.append(helper.make_node("Cast", [f"{name}/float16"], [name], to=FLOAT))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *rest])
    onnx.checker.check_model(model)
    return model


def base_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """The base model's own graph, cut out of a joined one: the reference for cost and bitwise equality."""
    needed, nodes = {"base_logits"}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    graph = helper.make_graph(
        nodes[::-1],
        "base",
        [i for i in model.graph.input if i.name in needed],
        [o for o in model.graph.output if o.name == "base_logits"],
        [t for t in model.graph.initializer if t.name in needed],
        value_info=model.graph.value_info,
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _row_input(value: onnx.ValueInfoProto, ragged: bool) -> onnx.ValueInfoProto:
    """An input of the joined graph: the batch is free, and for text the number of tokens."""
    tensor = value.type.tensor_type
    fixed = [dim.dim_value for dim in tensor.shape.dim[1:]]
    return helper.make_tensor_value_info(
        value.name, tensor.elem_type, ["batch", *(["seq"] if ragged else fixed)]
    )


def _gate_nodes() -> list[onnx.NodeProto]:
    """Whether any row is to be finished: the only part of the gate that an unflagged batch computes."""
    node = helper.make_node
    return [
        node("GreaterOrEqual", ["risk", "thresholds"], ["flagged"]),
        node("Greater", ["modes", "gate/off"], ["gate/wanted"]),
        node("And", ["flagged", "gate/wanted"], ["gate/candidate"]),
        node("Cast", ["gate/candidate"], ["gate/candidate_int"], to=INT64),
        node("ReduceMax", ["gate/candidate_int"], ["gate/most"], keepdims=0),
        node("Cast", ["gate/most"], ["gate/any"], to=BOOL),
    ]


def _row_nodes() -> list[onnx.NodeProto]:
    """Which rows to finish and with which gates. Names as in ``FairNet.forward``."""
    node = helper.make_node
    return [
        node("Equal", ["modes", "gate/apply"], ["gate/is_apply"]),
        node("Equal", ["modes", "gate/shadow"], ["gate/is_shadow"]),
        node("And", ["flagged", "gate/is_apply"], ["gate/applied"]),
        node("And", ["flagged", "gate/is_shadow"], ["gate/shadowed"]),
        *_rows_where_any("gate/applied", "gate/serve"),
        *_rows_where_any("gate/shadowed", "gate/shadow_rows"),
        node("Concat", ["gate/serve", "gate/shadow_rows"], ["gate/rows"], axis=0),
    ]


def _rows_where_any(gates: str, rows: str) -> list[onnx.NodeProto]:
    """Indices ``(rows,)`` of the rows in which any column of ``gates`` is true."""
    return [
        helper.make_node("Cast", [gates], [f"{rows}/int"], to=INT64),
        helper.make_node("ReduceMax", [f"{rows}/int", "gate/axis"], [f"{rows}/any"], keepdims=0),
        helper.make_node("NonZero", [f"{rows}/any"], [f"{rows}/found"]),
        helper.make_node("Squeeze", [f"{rows}/found", "gate/off_axis"], [rows]),
    ]


def _constants() -> list[onnx.TensorProto]:
    """Small constants of the gate."""
    values = {"gate/off": np.array(0), "gate/shadow": np.array(1), "gate/apply": np.array(2)}
    axes = {"gate/axis": np.array([1]), "gate/off_axis": np.array([0])}
    return [
        numpy_helper.from_array(value.astype(np.int64), name) for name, value in {**values, **axes}.items()
    ]


def _if_node(suffix: onnx.ModelProto, classes: int) -> onnx.NodeProto:
    """Finish the selected rows, or return the base's answer."""
    node = helper.make_node
    read = [value.name for value in suffix.graph.input if value.name in READ]
    before = [
        *_row_nodes(),
        *(node("Gather", [READ[name], "gate/rows"], [name]) for name in read),
        node("Gather", ["gate/applied", "gate/serve"], ["then/serve_gates"]),
        node("Gather", ["gate/candidate", "gate/shadow_rows"], ["then/shadow_gates"]),
        node("Concat", ["then/serve_gates", "then/shadow_gates"], ["suffix/rows_gates"], axis=0),
    ]
    after = [
        node("Shape", ["gate/serve"], ["then/serve_count"]),
        node("Shape", ["gate/rows"], ["then/row_count"]),
        node("Slice", ["suffix/corrected", "gate/off_axis", "then/serve_count"], ["then/to_serve"]),
        node("Slice", ["suffix/corrected", "then/serve_count", "then/row_count"], ["then/to_shadow"]),
        node("Unsqueeze", ["gate/serve", "gate/axis"], ["then/serve_at"]),
        node("Unsqueeze", ["gate/shadow_rows", "gate/axis"], ["then/shadow_at"]),
        node("ScatterND", ["base_logits", "then/serve_at", "then/to_serve"], ["then/logits"]),
        node("ScatterND", ["then/logits", "then/shadow_at", "then/to_shadow"], ["then/shadow_logits"]),
    ]
    then_branch = helper.make_graph(
        [*before, *suffix.graph.node, *after],
        "corrected",
        [],
        _branch_outputs("then", classes),
        value_info=[*suffix.graph.value_info, *_wide(suffix.graph.input)],
    )
    identities = [node("Identity", ["base_logits"], [f"else/{name}"]) for name in ("logits", "shadow_logits")]
    else_branch = helper.make_graph(identities, "base", [], _branch_outputs("else", classes))
    return node(
        "If", ["gate/any"], ["logits", "shadow_logits"], then_branch=then_branch, else_branch=else_branch
    )


def _branch_outputs(branch: str, classes: int) -> list[onnx.ValueInfoProto]:
    names = (f"{branch}/logits", f"{branch}/shadow_logits")
    return [helper.make_tensor_value_info(name, FLOAT, ["batch", classes]) for name in names]


def _prefixed(model: onnx.ModelProto, prefix: str) -> onnx.ModelProto:
    """A copy whose every name starts with ``prefix``, with the shapes that fusions need."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    # Fusions need the widths of three-dimensional values; ONNX Runtime infers all other shapes better.
    wide = _wide(copied.graph.value_info)
    del copied.graph.value_info[:]
    copied.graph.value_info.extend(wide)
    for node in copied.graph.node:
        node.name = f"{prefix}{node.name}"
        _rename(node.input, prefix)
        _rename(node.output, prefix)
    graph = copied.graph
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = f"{prefix}{value.name}"
    return copied


def _wide(values: Iterable[onnx.ValueInfoProto]) -> list[onnx.ValueInfoProto]:
    """Those of three dimensions and more."""
    return [value for value in values if len(value.type.tensor_type.shape.dim) >= 3]


def _strip(graph: onnx.GraphProto) -> None:
    """Remove the exporter's notes: they name source files of the machine that exported."""
    for part in (*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _strip(attribute.g)


def _rename(names: Iterable[str], prefix: str) -> None:
    """Prefix a repeated field of names in place; the empty name means an omitted input and stays."""
    renamed = [f"{prefix}{name}" if name else name for name in names]
    names[:] = renamed  # type: ignore[index]


def _shared_initializers(prefix: onnx.ModelProto, suffix: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Each weight once: drop the suffix's copies of the base's weights and let its nodes read the base's."""
    kept = list(prefix.graph.initializer)
    names = {_fingerprint(tensor): tensor.name for tensor in kept}
    alias = {}
    for tensor in suffix.graph.initializer:
        twin = names.get(_fingerprint(tensor))
        if twin is None:
            kept.append(tensor)
        else:
            alias[tensor.name] = twin
    for node in suffix.graph.node:
        node.input[:] = [alias.get(name, name) for name in node.input]
    return kept


def _fingerprint(tensor: onnx.TensorProto) -> tuple[str, str, tuple[int, ...]]:
    array = numpy_helper.to_array(tensor)
    return hashlib.sha256(array.tobytes()).hexdigest(), str(array.dtype), array.shape
