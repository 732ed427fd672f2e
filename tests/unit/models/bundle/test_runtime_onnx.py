"""How ONNX Runtime is told to run a graph; what it answers is tested with every bundle."""

from pathlib import Path

import onnx
import onnxruntime as ort
import pytest
from tiny_model import tiny_graph

from evenhand.models.bundle.runtime_onnx import SLOWER


@pytest.mark.parametrize(("disabled", "there"), [([], True), (SLOWER, False)])
def test_what_is_slower_as_one_stays_apart(tmp_path: Path, disabled: list[str], there: bool) -> None:
    """By a name that ONNX Runtime still knows: it says nothing of one that it does not."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(
        tiny_graph("bert").SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=disabled,
    )
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert ("SkipLayerNormalization" in kinds) == there
