"""ONNX surgery: a text classifier of any producer over token ids, to a graph from ids to logits.

::

    input_ids, attention_mask, token_type_ids (batch, tokens) int64 -> [the model, as it is]
    -> probabilities or logits -> base_logits (batch, classes) float32

The model's own nodes stay as they are. Logits in float32 pass unchanged, bit for bit.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from evenhand.models.onnx.black_box import (
    IR,
    PREFIX,
    BoxError,
    Scores,
    add_prefix,
    at_opset,
    dims_of,
    inputs_of,
    logits_nodes,
    pruned,
)
from evenhand.typing import Array

TOKEN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What tokenizers give, and a model may read."""
KINDS = {
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.FLOAT: np.float32,
    TensorProto.BOOL: np.bool_,
}
"""Types of ids and masks that models take."""


def token_inputs(model: onnx.ModelProto) -> dict[str, int]:
    """The inputs of a model over tokens, with the element type of each.

    Raises:
        BoxError: it reads something else, or only rows of one size.
    """
    inputs = {value.name: value for value in inputs_of(model)}
    odd = [name for name in inputs if name not in TOKEN_INPUTS]
    if odd or "input_ids" not in inputs:
        raise BoxError(
            f"it takes {', '.join(inputs)}; a text model is read over {', '.join(TOKEN_INPUTS)} "
            "(the last two where it needs them)"
        )
    for name, value in inputs.items():
        kind = value.type.tensor_type.elem_type
        if kind not in KINDS:
            raise BoxError(
                f"its input {name!r} takes {TensorProto.DataType.Name(kind)}, which no token id is"
            )
        dims = dims_of(value)
        if len(dims) != 2 or any(dims):
            shape = ", ".join("free" if dim is None else str(dim) for dim in dims)
            raise BoxError(
                f"its input {name!r} has the shape ({shape}): export it with free axes for rows and tokens"
            )
    return {name: value.type.tensor_type.elem_type for name, value in inputs.items()}


def wrap_tokens(model: onnx.ModelProto, scores: Scores, opset: int) -> onnx.ModelProto:
    """The graph from token ids to ``base_logits``.

    Args:
        model: The user's, with any operators.
        scores: Where its answer is.
        opset: Version of the standard operators that the joined graph has.

    Raises:
        BoxError: its operators have no such version, or its inputs are no tokens.
    """
    kinds = token_inputs(model)
    whole = [
        value.name
        for value in model.graph.output
        if value.name == scores.name and value.type.tensor_type.elem_type == TensorProto.FLOAT
    ]
    box = at_opset(pruned(model, scores.name, typed=True), opset)
    add_prefix(box.graph, PREFIX)
    own = PREFIX + scores.name
    if whole and scores.scale == "logits" and scores.width > 1:
        after: list[onnx.NodeProto] = [helper.make_node("Identity", [own], ["base_logits"])]
        constants: dict[str, Array] = {}
    else:
        after, constants = logits_nodes(own, scores)
    before = [helper.make_node("Cast", [name], [PREFIX + name], to=kind) for name, kind in kinds.items()]
    graph = helper.make_graph(
        [*before, *box.graph.node, *after],
        "box",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"]) for name in kinds],
        [helper.make_tensor_value_info("base_logits", TensorProto.FLOAT, ["batch", max(scores.width, 2)])],
        [
            *box.graph.initializer,
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
        ],
        value_info=box.graph.value_info,
    )
    wrapped = helper.make_model(graph, opset_imports=box.opset_import, ir_version=max(box.ir_version, IR))
    try:
        onnx.checker.check_model(wrapped)
    except onnx.checker.ValidationError as error:
        raise BoxError(f"its graph is not valid ({str(error).splitlines()[0]})") from error
    return wrapped
