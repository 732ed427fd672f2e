"""What tests of fits are exported with is what the exporter makes: the same answers, bit for bit, of other weights."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from export_once import exporting_once
from tiny_model import inputs_of, tiny_fairnet, tiny_graph

from evenhand.models.bundle.runtime_onnx import OUTPUTS
from evenhand.models.onnx.torch_export import to_onnx


def answers(model: onnx.ModelProto, kind: str) -> list[np.ndarray]:
    graph = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = {name: values.numpy() for name, values in inputs_of(kind, 9).items()}
    gates = {"thresholds": np.full(2, 0.5, dtype=np.float32), "modes": np.full((9, 2), 2)}
    outputs: list[np.ndarray] = graph.run(list(OUTPUTS), {**rows, **gates})
    return outputs


@pytest.mark.parametrize("kind", ["bert", "tabular"])
def test_a_shared_trace_answers_as_an_export_of_its_own(kind: str) -> None:
    with exporting_once():
        other = to_onnx(tiny_fairnet(kind, seed=1), sample=inputs_of(kind, 3))
        same = to_onnx(tiny_fairnet(kind), sample=inputs_of(kind, 3))
    expected = answers(tiny_graph(kind), kind)
    for ours, theirs in zip(answers(same, kind), expected, strict=True):
        assert np.array_equal(ours, theirs)
    assert not np.array_equal(answers(other, kind)[0], expected[0])


def test_another_structure_is_another_trace() -> None:
    with exporting_once():
        classes = [
            to_onnx(tiny_fairnet("tabular", labels=labels), sample=inputs_of("tabular", 3))
            for labels in (2, 3)
        ]
    assert [model.graph.output[0].type.tensor_type.shape.dim[1].dim_value for model in classes] == [2, 3]
