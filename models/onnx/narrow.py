"""ONNX surgery: compute for the first token alone what only the first token needs.

A head that reads one token, as BERT's and ViT's do, leaves all others of the last block's output unread. Of
that block only keys and values need every token: 2 of 12 units of its work, where its feed-forward layer is
four times as wide. ::

    [last block] -> (batch, seq, hidden) -> Gather(first token) -> head
    keys, values (batch, seq, hidden); Gather(first token) -> [rest of the last block] -> (batch, 1, hidden)
    -> head

The ``Gather`` (the pick) moves up through nodes that treat every token alike, until a node reads the other
tokens too. Sums are the same, at most in another order. A graph without such a head, or with other operators,
stays as it is. ONNX Runtime does this for training only (its ``UpStreamGather``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper

Dims = Sequence[int | str]
Edge = tuple[int, int]
"""A node's place in its graph, and the place among its inputs."""

MARK = "narrow/"
"""Prefix of all names that are added."""
TOKEN = f"{MARK}token"
"""Name of the constant that says which token is picked."""
ONE_OF = "one of "
"""Prefix of the size of an axis of which one token is left; the size that it had follows."""
ALIKE = {
    "Cast",
    "Elu",
    "Erf",
    "Gelu",
    "Identity",
    "LeakyRelu",
    "Neg",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Sqrt",
    "Tanh",
}
"""Operators of one input that work element by element."""
BROADCAST = {"Add", "Div", "Mul", "Pow", "Sub", "Where"}
ALONG_LAST = {"LayerNormalization", "Softmax"}
"""Operators that work on each vector along the last axis of their first input alone."""


def narrow(model: onnx.ModelProto) -> int:
    """Move every pick of the first token up, in the graph and in its branches; in place.

    Args:
        model: A graph whose values of three and more dimensions have shapes.

    Returns:
        Number of matrix products that take one token now.
    """
    graph = model.graph
    whole = [t for t in graph.initializer if t.data_type == onnx.TensorProto.INT64 and len(t.dims) <= 1]
    first = {tensor.name for tensor in whole if numpy_helper.to_array(tensor).tolist() in (0, [0])}
    moved = _narrow(graph, graph, {}, first)
    if moved:
        _constant(graph, TOKEN, [0])
    return moved


def _narrow(graph: GraphProto, root: GraphProto, outer: Mapping[str, Dims], first: set[str]) -> int:
    """One graph, after its branches."""
    shapes = _shapes(graph, outer)
    moved = sum(_narrow(branch, root, shapes, first) for branch in branches(graph))
    for name in [node.output[0] for node in graph.node if _is_pick(node, shapes, first)]:
        at = next(at for at, node in enumerate(graph.node) if node.output[0] == name)
        moved += _Pick(graph, at, _shapes(graph, outer)).move(root)
    return moved


def _is_pick(node: NodeProto, shapes: Mapping[str, Dims], first: set[str]) -> bool:
    """Whether a node takes the first token of ``(batch, seq, hidden)``, and others are there."""
    if node.op_type != "Gather" or _axis(node, 0) != 1 or node.input[1] not in first:
        return False
    dims = shapes.get(node.input[0], ())
    return len(dims) == 3 and dims[1] != 1 and not str(dims[1]).startswith(ONE_OF)


class _Pick:
    """One pick, and the nodes above it that only need the picked token."""

    def __init__(self, graph: GraphProto, at: int, shapes: Mapping[str, Dims]) -> None:
        self._graph, self._shapes = graph, shapes
        self._mark = f"{MARK}{graph.node[at].output[0]}"
        self._axes: dict[Edge, int] = {(at, 0): 1}
        """Which axis has one token, by the edges that carry no other."""
        self._nodes: dict[int, int] = {}
        """Which axis of a node's output has one token."""
        edges, outside = _uses(graph)
        for place in range(at - 1, -1, -1):
            name = graph.node[place].output[0]
            axes = {self._axes.get(edge) for edge in edges[name]}
            axis = axes.pop() if len(axes) == 1 and name not in outside else None
            inputs = None if axis is None else _input_axes(graph.node[place], axis, shapes)
            if axis is not None and inputs is not None:
                self._nodes[place] = axis
                self._axes.update({(place, of): its for of, its in inputs.items()})

    def move(self, root: GraphProto) -> int:
        """Pick above those nodes instead of below; returns how many of them are products."""
        products = [place for place in self._nodes if self._graph.node[place].op_type == "MatMul"]
        if products:
            before = self._pick_above()
            for place, axis in self._nodes.items():
                self._say_one(place, axis, root)
            nodes = [new for place, node in enumerate(self._graph.node) for new in (*before[place], node)]
            del self._graph.node[:]
            self._graph.node.extend(nodes)
        return len(products)

    def _pick_above(self) -> dict[int, list[NodeProto]]:
        """The new picks, by the place of the first node that reads them."""
        made = {self._graph.node[place].output[0] for place in self._nodes}
        before: dict[int, list[NodeProto]] = defaultdict(list)
        picked: dict[tuple[str, int], str] = {}
        for (place, of), axis in sorted(self._axes.items()):
            node = self._graph.node[place]
            if (name := node.input[of]) in made:
                continue
            if (name, axis) not in picked:
                picked[name, axis] = f"{self._mark}/{len(picked)}"
                before[place].append(
                    helper.make_node("Gather", [name, TOKEN], [picked[name, axis]], axis=axis)
                )
                self._say_one_of_new(name, axis, picked[name, axis])
            node.input[of] = picked[name, axis]
        return before

    def _say_one_of_new(self, name: str, axis: int, picked: str) -> None:
        """Give what was picked the type of what it was picked from, where this graph says one."""
        for value in [of for of in (*self._graph.input, *self._graph.value_info) if of.name == name]:
            new = self._graph.value_info.add()
            new.CopyFrom(value)
            new.name = picked
            new.type.tensor_type.shape.dim[axis].dim_param = f"{ONE_OF}{self._shapes[name][axis]}"

    def _say_one(self, place: int, axis: int, root: GraphProto) -> None:
        """Let a node's shape say that one token is left."""
        node = self._graph.node[place]
        dims = self._shapes[node.output[0]]
        for value in self._graph.value_info:
            if value.name == node.output[0]:
                value.type.tensor_type.shape.dim[axis].dim_param = f"{ONE_OF}{dims[axis]}"
        if node.op_type == "Reshape":
            shape = f"{self._mark}/shape/{place}"
            # 0 copies the input's size, and unlike -1 it holds for no rows, too.
            _constant(root, shape, [*[0] * (axis + 1), *map(int, dims[axis + 1 :])])
            node.CopyFrom(helper.make_node("Reshape", [node.input[0], shape], node.output, node.name))


def _input_axes(node: NodeProto, axis: int, shapes: Mapping[str, Dims]) -> dict[int, int] | None:
    """By input the axis that needs one token only, if the output does; ``None`` if an input needs more."""
    out = shapes.get(node.output[0])
    if out is None or len(node.output) != 1:
        return None
    rank = len(out)
    if node.op_type in ALIKE:
        return {0: axis}
    if node.op_type in ALONG_LAST:
        return {0: axis} if _axis(node, -1) % rank == rank - 1 > axis else None
    if node.op_type == "Transpose":
        return {0: next((of.ints for of in node.attribute if of.name == "perm"), range(rank)[::-1])[axis]}
    dims_of = [shapes.get(name) for name in node.input]
    if node.op_type == "Reshape":
        return {0: axis} if dims_of[0] is not None and _keeps(dims_of[0], out, axis) else None
    if any(dims is None for dims in dims_of):
        return None
    if node.op_type == "MatMul":
        return {0: axis} if axis == rank - 2 and len(dims_of[0] or ()) == rank else None
    if node.op_type in BROADCAST:
        # Inputs are aligned at their last axes; one without this axis, or of size 1 there, stays.
        places = {of: axis - rank + len(dims) for of, dims in enumerate(dims_of) if dims is not None}
        return {of: at for of, at in places.items() if at >= 0 and (dims_of[of] or ())[at] != 1}
    return None


def _keeps(before: Dims, after: Dims, axis: int) -> bool:
    """Whether a reshape leaves the axes up to this one alone, and names the others' widths."""
    same = list(before[: axis + 1]) == list(after[: axis + 1])
    return (
        same
        and all(after[: axis + 1])
        and all(isinstance(width, int) for width in (*before[axis + 1 :], *after[axis + 1 :]))
    )


def _uses(graph: GraphProto) -> tuple[dict[str, list[Edge]], set[str]]:
    """Who reads a value: edges in this graph; and the names that its outputs or branches read."""
    edges: dict[str, list[Edge]] = defaultdict(list)
    for place, node in enumerate(graph.node):
        for of, name in enumerate(node.input):
            edges[name].append((place, of))
    outside = {value.name for value in graph.output}
    for branch in branches(graph):
        inner, further = _uses(branch)
        outside |= set(inner) | further
    return edges, outside


def branches(graph: GraphProto) -> list[GraphProto]:
    """The branches of its ``If`` nodes."""
    kind = onnx.AttributeProto.GRAPH
    return [attribute.g for node in graph.node for attribute in node.attribute if attribute.type == kind]


def _shapes(graph: GraphProto, outer: Mapping[str, Dims]) -> dict[str, Dims]:
    """Dimensions by name, in this graph and around it; a dimension that is not fixed is its name."""
    values = {
        value.name: [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    return {**outer, **values, **{tensor.name: list(tensor.dims) for tensor in graph.initializer}}


def _constant(root: GraphProto, name: str, values: Iterable[int]) -> None:
    """Add it, unless it is there because the graph was narrow before."""
    if name not in {tensor.name for tensor in root.initializer}:
        root.initializer.append(numpy_helper.from_array(np.array(list(values)), name))


def _axis(node: NodeProto, default: int) -> int:
    """The attribute of that name."""
    return next((of.i for of in node.attribute if of.name == "axis"), default)
