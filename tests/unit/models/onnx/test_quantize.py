"""Lower precision: what is lowered, what is not, and that the base is the same in both paths."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_model import inputs_of, tiny_graph

from bench.widen import widen
from evenhand.models.bundle.runtime_onnx import OUTPUTS, GraphOutputs
from evenhand.models.onnx.join import base_only
from evenhand.models.onnx.narrow import TOKEN
from evenhand.models.onnx.quantize import Precision, convert_weights

KINDS = ("bert", "deberta-v2", "vit", "convnext", "tabular")
PRECISIONS: tuple[Precision, ...] = ("float16", "int8", "int4")
APPLY = 2


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(graph: ort.InferenceSession, rows: dict[str, np.ndarray], threshold: float) -> GraphOutputs:
    count = len(next(iter(rows.values())))
    gates = {"thresholds": np.array([threshold, 2], dtype=np.float32), "modes": np.full((count, 2), APPLY)}
    return GraphOutputs(*graph.run(list(OUTPUTS), {**rows, **gates}))


def arrays(kind: str, rows: int) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in inputs_of(kind, rows, seed=1).items()}


def product(weight: np.ndarray) -> onnx.ModelProto:
    """The smallest graph with a base answer."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["base_logits"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", weight.shape[0]])],
        [helper.make_tensor_value_info("base_logits", TensorProto.FLOAT, ["batch", weight.shape[1]])],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_closed_gate_is_the_lowered_base_bit_for_bit(kind: str, precision: Precision) -> None:
    lowered, rows = convert_weights(tiny_graph(kind), precision), arrays(kind, 9)
    graph = session(lowered)
    risk = run(graph, rows, 2).risk[:, 0]
    out = run(graph, rows, float(np.median(risk)))
    shut = ~out.flagged.any(axis=1)
    plain = session(base_only(lowered)).run(None, rows)[0]
    assert shut.any()
    assert not shut.all()
    assert np.array_equal(out.base_logits, plain)
    assert np.array_equal(out.logits[shut], plain[shut])
    assert not np.array_equal(out.logits[~shut], plain[~shut])


@pytest.mark.parametrize("kind", KINDS)
def test_answers_stay_near_the_original_and_nearer_with_more_bits(kind: str) -> None:
    rows = arrays(kind, 64)
    original = run(session(tiny_graph(kind)), rows, 0)
    off = {}
    for precision in PRECISIONS:
        out = run(session(convert_weights(tiny_graph(kind), precision)), rows, 0)
        off[precision] = max(
            np.abs(getattr(out, name) - getattr(original, name)).mean() for name in ("logits", "base_logits")
        )
    assert 0 < off["float16"] < off["int8"] < off["int4"]
    assert off["int8"] < 0.1 * original.logits.std()


@pytest.mark.parametrize("kind", KINDS)
def test_both_paths_read_the_same_lowered_weights(kind: str) -> None:
    lowered = convert_weights(tiny_graph(kind), "int8")
    choice = next(node for node in lowered.graph.node if node.op_type == "If")
    branches = [node for attribute in choice.attribute for node in attribute.g.node]
    read = {node.input[1] for node in lowered.graph.node if node.op_type == "MatMulNBits"}
    read_again = {node.input[1] for node in branches if node.op_type == "MatMulNBits"}
    assert read_again
    assert read_again < read
    initializers = {tensor.name: tensor for tensor in lowered.graph.initializer}
    assert len(initializers) == len(lowered.graph.initializer)
    assert all(initializers[name].data_type == TensorProto.UINT8 for name in read)


def test_detectors_and_adapters_keep_every_bit() -> None:
    original = tiny_graph("bert")
    of_base = {tensor.name for tensor in base_only(original).graph.initializer}
    kept = {t.name: numpy_helper.to_array(t) for t in original.graph.initializer if t.name not in of_base}
    assert any("detectors" in name for name in kept)
    assert any(name.startswith("suffix/") and array.size > 200 for name, array in kept.items())
    for precision in PRECISIONS:
        initializers = {t.name: t for t in convert_weights(original, precision).graph.initializer}
        assert all(
            np.array_equal(numpy_helper.to_array(initializers[name]), array) for name, array in kept.items()
        )


@pytest.mark.parametrize("inputs", [64, 70, 130])
@pytest.mark.parametrize(("precision", "limit"), [("int8", 0.02), ("int4", 0.2)])
def test_blocks_that_do_not_fill_are_padded(inputs: int, precision: Precision, limit: float) -> None:
    rng = np.random.default_rng(0)
    weight, x = (rng.normal(size=shape).astype(np.float32) for shape in ((inputs, 48), (5, inputs)))
    lowered = convert_weights(product(weight), precision)
    assert {node.op_type for node in lowered.graph.node} == {"MatMulNBits"}
    outputs: Any = session(lowered).run(None, {"x": x})[0]
    assert np.abs(outputs - x @ weight).std() < limit * (x @ weight).std()


def test_a_constant_block_divides_by_no_zero() -> None:
    lowered = convert_weights(product(np.zeros((64, 48), dtype=np.float32)), "int8")
    assert np.array_equal(
        session(lowered).run(None, {"x": np.ones((2, 64), dtype=np.float32)})[0], np.zeros((2, 48))
    )


def test_stored_float16_is_lowered_like_the_same_values_as_float32() -> None:
    rounded = convert_weights(tiny_graph("bert"), "float16")
    assert any(tensor.data_type == TensorProto.FLOAT16 for tensor in rounded.graph.initializer)
    lowered = convert_weights(rounded, "int8")
    count = [
        sum(node.op_type == "MatMulNBits" for node in of.graph.node)
        for of in (lowered, convert_weights(tiny_graph("bert"), "int8"))
    ]
    assert count[0] == count[1] > 0


def test_a_weight_beyond_float16_stays() -> None:
    weight = np.full((64, 48), 1e6, dtype=np.float32)
    assert (
        numpy_helper.to_array(convert_weights(product(weight), "float16").graph.initializer[0]).max() == 1e6
    )


@pytest.mark.parametrize(("precision", "times"), [("float16", 1), ("int8", 2), ("int4", 2)])
def test_a_graph_of_before_is_narrowed_and_integers_never_multiply_one_row(
    precision: Precision, times: int
) -> None:
    wide = onnx.ModelProto()
    wide.CopyFrom(tiny_graph("bert"))
    widen(wide)
    for model in (wide, tiny_graph("bert")):
        initializers = {tensor.name: tensor for tensor in convert_weights(model, precision).graph.initializer}
        assert list(numpy_helper.to_array(initializers[TOKEN])) == [0] * times
