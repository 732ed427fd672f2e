"""The graph as torch exports it, for a comparison: every token goes through the last block again."""

from __future__ import annotations

import onnx

from evenhand.models.onnx.narrow import ONE_OF, TOKEN, branches


def widen(model: onnx.ModelProto) -> None:
    """Undo :func:`evenhand.models.onnx.narrow.narrow`, in place."""
    _widen(model.graph)


def _widen(graph: onnx.GraphProto) -> None:
    for branch in branches(graph):
        _widen(branch)
    picks = [node for node in graph.node if node.op_type == "Gather" and node.input[1] == TOKEN]
    read = {node.output[0]: node.input[0] for node in picks}
    for node in picks:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [read.get(name, name) for name in node.input]
    for value in [value for value in graph.value_info if value.name in read]:
        graph.value_info.remove(value)
    for dim in (dim for value in graph.value_info for dim in value.type.tensor_type.shape.dim):
        had = dim.dim_param.removeprefix(ONE_OF)
        if had.isdecimal():
            dim.dim_value = int(had)
        elif had:
            dim.dim_param = had
