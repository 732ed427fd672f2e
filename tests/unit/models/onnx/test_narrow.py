"""One token where one is asked for: the same answers from less work, and nothing touched where more is read."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from onnx import TensorProto, helper, numpy_helper, shape_inference
from places import DEMO
from tiny_model import ATTRIBUTES, BLOCKS, inputs_of, tiny_base, tiny_graph

from bench.widen import widen
from evenhand.models.bundle.bundle import GRAPH
from evenhand.models.bundle.runtime_onnx import OUTPUTS
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.fairnet import FairNet
from evenhand.models.onnx.narrow import MARK, ONE_OF, branches, narrow
from evenhand.models.onnx.torch_export import to_onnx

WIDTH, HEADS = 8, 2
PRODUCTS = {"bert": 6, "deberta-v2": 3, "vit": 6, "convnext": 0, "tabular": 6}
"""Of the base's last block, which has eight. ConvNeXt picks no token; DeBERTa's queries meet relative positions."""


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def narrow_products(graph: onnx.GraphProto) -> int:
    """Products with one token."""
    sizes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    found = [sizes.get(node.output[0], ()) for node in graph.node if node.op_type == "MatMul"]
    return sum(len(dims) > 2 and dims[-2].dim_param.startswith(ONE_OF) for dims in found)


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


@pytest.mark.parametrize("kind", PRODUCTS)
def test_the_last_block_of_both_paths_is_narrow(kind: str) -> None:
    model = tiny_graph(kind)
    (choice,) = (node for node in model.graph.node if node.op_type == "If")
    (then,) = (of.g for of in choice.attribute if of.name == "then_branch")
    assert narrow_products(model.graph) == PRODUCTS[kind]
    assert (narrow_products(then) > PRODUCTS[kind]) == (PRODUCTS[kind] > 0), "those of LoRA, too"
    before = model.SerializeToString(deterministic=True)
    assert narrow(model) == 0
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("kind", PRODUCTS)
def test_every_answer_stays(kind: str) -> None:
    narrowed, wide = tiny_graph(kind), copied(tiny_graph(kind))
    widen(wide)
    assert all(narrow_products(graph) == 0 for graph in (wide.graph, *branches(wide.graph)))
    graphs = [session(model) for model in (wide, narrowed)]
    for rows in (1, 9):
        arrays = {name: values.numpy() for name, values in inputs_of(kind, rows, seed=rows).items()}
        for threshold in (0.0, 0.5, 2.0):
            gates = {"thresholds": np.full(2, threshold, dtype=np.float32), "modes": np.full((rows, 2), 2)}
            gates["modes"][0] = 1
            answers = (graph.run(list(OUTPUTS), arrays | gates) for graph in graphs)
            for name, old, new in zip(OUTPUTS, *answers, strict=True):
                assert np.allclose(old, new, atol=1e-5), (name, rows, threshold)


def test_one_block_alone_whose_mask_is_asked_for_one_token_too() -> None:
    fairnet = FairNet(SplitModel(tiny_base("bert"), BLOCKS - 1), ATTRIBUTES).eval()
    narrowed = to_onnx(fairnet, sample=inputs_of("bert", 3))
    wide = copied(narrowed)
    widen(wide)
    (then,) = (of.g for node in narrowed.graph.node for of in node.attribute if of.name == "then_branch")
    assert narrow_products(then) > 6
    gates = {"thresholds": np.zeros(2, dtype=np.float32), "modes": np.full((5, 2), 2)}
    rows = {name: values.numpy() for name, values in inputs_of("bert", 5).items()} | gates
    assert any(node.op_type == "Gather" and node.output[0].startswith(MARK) for node in then.node)
    for old, new in zip(
        *(session(model).run(list(OUTPUTS), rows) for model in (wide, narrowed)), strict=True
    ):
        assert np.allclose(old, new, atol=1e-5)


def test_wide_and_narrow_again_is_the_same_graph() -> None:
    model = copied(tiny_graph("bert"))
    widen(model)
    assert model.graph != tiny_graph("bert").graph
    narrow(model)
    onnx.checker.check_model(model, full_check=True)
    for graphs in zip(*([of.graph, *branches(of.graph)] for of in (model, tiny_graph("bert"))), strict=True):
        found, expected = ([node for node in graph.node if node.op_type != "If"] for graph in graphs)
        assert found == expected


def test_keys_and_values_are_all_that_every_token_of_the_last_block_has() -> None:
    graph = onnx.load(DEMO / GRAPH).graph
    sizes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    biased = [
        (name, node)
        for node in graph.node
        if node.op_type == "Add"
        for name in node.input
        if ".layer.5." in name
    ]
    every = [
        name.partition("layer.5.")[2] for name, node in biased if sizes[node.output[0]][1].dim_param == "seq"
    ]
    assert len(biased) == 6
    assert sorted(every) == ["attention.self.key.bias", "attention.self.value.base_layer.bias"]


class Made:
    """A graph made value by value over ``x (batch, seq, WIDTH)``."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(0)

    def constant(self, *shape: int) -> str:
        return self.given((self.rng.normal(size=shape) / 3).astype(np.float32))

    def given(self, array: np.ndarray) -> str:
        self.tensors.append(numpy_helper.from_array(array, f"c{len(self.tensors)}"))
        return self.tensors[-1].name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [f"v{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def model(self, *outputs: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "made",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "seq", WIDTH])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.tensors,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        return shape_inference.infer_shapes(model, strict_mode=True)


def product(made: Made, one: str, _: str) -> str:
    return made.node("MatMul", one, made.constant(WIDTH, WIDTH))


def biased(made: Made, one: str, _: str) -> str:
    return made.node("Add", made.constant(WIDTH), one)


def residual(made: Made, one: str, other: str) -> str:
    return made.node("Add", one, other)


def gated(made: Made, one: str, _: str) -> str:
    return made.node("Mul", one, made.given(np.array([[[0.5]]], dtype=np.float32)))


def normal(made: Made, one: str, _: str) -> str:
    return made.node("LayerNormalization", one, made.constant(WIDTH), made.constant(WIDTH), axis=-1)


def curved(made: Made, one: str, _: str) -> str:
    return made.node("Gelu", one)


def along_tokens(made: Made, one: str, _: str) -> str:
    return made.node("Softmax", one, axis=1)


def mean(made: Made, one: str, _: str) -> str:
    """Mixes tokens, and has one value for all of them."""
    return made.node("Sub", one, made.node("ReduceMean", one, made.given(np.array([1])), keepdims=1))


def attention(made: Made, one: str, other: str) -> str:
    split = made.given(np.array([0, 0, HEADS, WIDTH // HEADS]))
    query, key, value = (made.node("Reshape", of, split) for of in (one, other, other))
    scores = made.node(
        "MatMul",
        made.node("Transpose", query, perm=[0, 2, 1, 3]),
        made.node("Transpose", key, perm=[0, 2, 3, 1]),
    )
    mixed = made.node(
        "MatMul", made.node("Softmax", scores, axis=-1), made.node("Transpose", value, perm=[0, 2, 1, 3])
    )
    joined = made.given(np.array([0, 0, WIDTH]))
    return made.node("Reshape", made.node("Transpose", mixed, perm=[0, 2, 1, 3]), joined)


STEPS: tuple[Callable[[Made, str, str], str], ...] = (
    product,
    biased,
    residual,
    gated,
    normal,
    curved,
    along_tokens,
    mean,
    attention,
)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9
    ),
    picked=st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, -1]), st.integers(0, 3)), min_size=1, max_size=3),
    more=st.booleans(),
)
@settings(max_examples=examples(150), deadline=None)
def test_no_graph_answers_otherwise(
    steps: list[tuple[Callable[[Made, str, str], str], int, int]], picked: list[tuple[int, int]], more: bool
) -> None:
    made, values = Made(), ["x"]
    for step, one, other in steps:
        # Mostly the latest value, so that there is a way up from the pick.
        values.append(
            step(made, values[-1 - (one % len(values) if one > 6 else 0)], values[other % len(values)])
        )
    picks = [
        made.node("Gather", values[max(0, len(values) - 1 - back)], made.given(np.array(token)), axis=1)
        for token, back in picked
    ]
    wide = made.model(*picks, *(values[-2:-1] if more and len(values) > 2 else []))
    narrowed = copied(wide)
    narrow(narrowed)
    onnx.checker.check_model(narrowed)
    shape_inference.infer_shapes(narrowed, check_type=True, strict_mode=True)
    x = np.random.default_rng(1).normal(size=(3, 5, WIDTH)).astype(np.float32)
    before, after = (session(model).run(None, {"x": x}) for model in (wide, narrowed))
    for old, new in zip(before, after, strict=True):
        assert old.shape == new.shape
        assert np.allclose(old, new, atol=1e-5)


def test_two_heads_each_have_their_own_way_up() -> None:
    made = Made()
    ways = [product(made, curved(made, product(made, "x", ""), ""), "") for _ in range(3)]
    wide = made.model(*(made.node("Gather", way, made.given(np.array(0)), axis=1) for way in ways))
    narrowed = copied(wide)
    assert narrow(narrowed) == narrow_products(narrowed.graph) == 6
    x = np.random.default_rng(1).normal(size=(3, 5, WIDTH)).astype(np.float32)
    for old, new in zip(*(session(model).run(None, {"x": x}) for model in (wide, narrowed)), strict=True):
        assert np.allclose(old, new, atol=1e-5)


def test_a_block_whose_tokens_somebody_reads_stays_wide() -> None:
    def moved(outputs: int, *tokens: int) -> int:
        made = Made()
        first = product(made, "x", "x")
        last = curved(made, first, "")
        picks = [made.node("Gather", last, made.given(np.array(token)), axis=1) for token in tokens]
        return narrow(made.model(*picks, *[first, last][:outputs]))

    assert moved(0, 0) == 1
    assert moved(1, 0) == 0
    assert moved(0, 0, 1) == 0
