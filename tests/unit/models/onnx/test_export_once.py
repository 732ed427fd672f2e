"""What tests of fits are exported with is what the exporter makes: the same answers, bit for bit, of other weights."""

import numpy as np
import onnx
import onnxruntime as ort
from export_once import _structure, exporting_once
from tiny_model import inputs_of, tiny_fairnet, tiny_graph

from evenhand.models.bundle.runtime_onnx import OUTPUTS
from evenhand.models.onnx.torch_export import to_onnx


def answers(model: onnx.ModelProto, kind: str) -> list[np.ndarray]:
    graph = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = {name: values.numpy() for name, values in inputs_of(kind, 9).items()}
    gates = {"thresholds": np.full(2, 0.5, dtype=np.float32), "modes": np.full((9, 2), 2)}
    outputs: list[np.ndarray] = graph.run(list(OUTPUTS), {**rows, **gates})
    return outputs


def test_a_shared_trace_answers_as_an_export_of_its_own() -> None:
    with exporting_once():
        other = to_onnx(tiny_fairnet(seed=1), sample=inputs_of("bert", 3))
        same = to_onnx(tiny_fairnet(), sample=inputs_of("bert", 3))
    expected = answers(tiny_graph(), "bert")
    for ours, theirs in zip(answers(same, "bert"), expected, strict=True):
        assert np.array_equal(ours, theirs)
    assert not np.array_equal(answers(other, "bert")[0], expected[0])


def test_structures_are_told_apart_and_weights_are_not() -> None:
    first, other, wider = (
        _structure(tiny_fairnet("tabular", seed=seed, labels=labels))
        for seed, labels in ((0, 2), (1, 2), (0, 3))
    )
    assert first == other
    assert first != wider
