"""The ONNX graph against torch and against the base model's own graph."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from tiny_model import ATTRIBUTES, KINDS, inputs_of, ragged, tiny_base, tiny_fairnet, tiny_graph

from evenhand.models.bundle.runtime_onnx import OUTPUTS, GraphOutputs
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.decision import OffsetsAlone
from evenhand.models.network.fairnet import APPLY, SHADOW, FairNet
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.models.onnx.join import base_only
from evenhand.models.onnx.torch_export import ParityError, compare, round_to_float16, to_onnx
from evenhand.training.correctors.residual import Residual
from evenhand.training.correctors.steering import Steering


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(graph: ort.InferenceSession, ids, mask, thresholds, modes) -> GraphOutputs:
    return run_rows(
        graph, {"input_ids": np.asarray(ids), "attention_mask": np.asarray(mask)}, thresholds, modes
    )


def run_rows(graph: ort.InferenceSession, rows, thresholds, modes) -> GraphOutputs:
    feed = {
        **{name: np.asarray(values) for name, values in rows.items()},
        "thresholds": np.asarray(thresholds, dtype=np.float32),
        "modes": np.asarray(modes, dtype=np.int64),
    }
    return GraphOutputs(*graph.run(list(OUTPUTS), feed))


def limits(risk: np.ndarray, share: float) -> np.ndarray:
    """Thresholds that flag about a share of rows by the first attribute, none by the second."""
    first = 2.0 if share == 0 else 0.0 if share == 1 else float(np.quantile(risk[:, 0], 1 - share))
    return np.array([first, 2.0])


IN_THE_GATE = ("bert", "vit", "convnext", "tabular")
"""Tracing the others takes longest; the gate has their gates in torch."""


@pytest.mark.parametrize(
    "kind", [kind if kind in IN_THE_GATE else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("mode", [SHADOW, APPLY])
def test_onnx_equals_torch_and_shut_rows_equal_the_base_graph(
    kind: str, rows: int, share: float, mode: int
) -> None:
    joined = tiny_graph(kind)
    graph, base = session(joined), session(base_only(joined))
    inputs = inputs_of(kind, rows, seed=rows)
    modes = np.full((rows, 2), mode)
    thresholds = limits(run_rows(graph, inputs, [2, 2], modes).risk, share)
    out = run_rows(graph, inputs, thresholds, modes)
    plain = base.run(None, {name: values.numpy() for name, values in inputs.items()})[0]
    shut = ~out.flagged.any(axis=1)
    assert shut.mean() == {0.0: 1.0, 1.0: 0.0}.get(share, shut.mean())
    assert np.array_equal(out.base_logits, plain)
    assert np.array_equal(out.logits[shut], plain[shut])
    with torch.no_grad():
        expected = tiny_fairnet(kind)(
            inputs, torch.tensor(thresholds, dtype=torch.float32), torch.tensor(modes)
        )
    compare(expected, out, torch.tensor(thresholds)).check()
    changed = out.logits if mode == APPLY else out.shadow_logits
    if share == 1.0:
        assert np.abs(changed - plain).max() > 1e-3


OFFSETS = ((-0.5, 1.0), (0.25, 0.0))


FIRST = {
    "soft lora": ConditionalLora,
    "soft steering": lambda split, attributes: Steering(split, len(attributes)),
    "residual": lambda split, attributes: Residual(split, len(attributes)),
    "offsets": lambda split, _: OffsetsAlone(split),
}
"""Every kind of first stage, by what of a row it reads, with a decision stage after it."""


@pytest.fixture(scope="module", params=FIRST)
def two_stages(request: pytest.FixtureRequest) -> tuple[FairNet, onnx.ModelProto]:
    """A model of both stages and its graph."""
    fairnet = FairNet(SplitModel(tiny_base(), 2), ATTRIBUTES, make=FIRST[request.param])
    own = {name: tensor for name, tensor in fairnet.correction.named_buffers() if "split." not in name}
    own |= {name: tensor for name, tensor in fairnet.correction.named_parameters() if "lora_B" in name}
    generator = torch.Generator().manual_seed(0)
    for tensor in own.values():
        torch.nn.init.normal_(tensor, 0.0, 0.5, generator)
    fairnet.soft = "soft" in request.param
    fairnet.decision.set(OFFSETS)
    return fairnet.eval(), to_onnx(fairnet, sample=inputs_of("bert", 3))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("mode", [SHADOW, APPLY])
def test_both_stages_in_the_graph_equal_torch_and_shut_rows_equal_the_base(
    two_stages, share: float, mode: int
) -> None:
    fairnet, joined = two_stages
    graph, base = session(joined), session(base_only(joined))
    inputs, modes = inputs_of("bert", 24, seed=1), np.full((24, 2), mode)
    risk = run_rows(graph, inputs, [2, 2], modes).risk
    thresholds = (
        np.array([2.0, 2.0]) if share == 0 else np.quantile(risk, 1 - share, axis=0) - (share == 1) * 1.0
    )
    out = run_rows(graph, inputs, thresholds, modes)
    plain = base.run(None, {name: values.numpy() for name, values in inputs.items()})[0]
    shut = ~out.flagged.any(axis=1)
    assert (share == 0) == bool(shut.all())
    assert (share == 1) == bool(not shut.any())
    assert np.array_equal(out.base_logits, plain)
    for served in (out.logits, out.shadow_logits):
        assert np.array_equal(served[shut], plain[shut])
    with torch.no_grad():
        expected = fairnet(inputs, torch.tensor(thresholds, dtype=torch.float32), torch.tensor(modes))
    compare(expected, out, torch.tensor(thresholds)).check()
    moved = out.logits if mode == APPLY else out.shadow_logits
    assert (np.abs(moved - plain).max(axis=1) > 1e-3)[~shut].all()


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_both_stages_answer_a_row_alike_in_any_batch(two_stages, share: float) -> None:
    graph = session(two_stages[1])
    ids, mask = ragged(24, seed=2)
    modes = np.array([[mode % 3, mode // 3 % 3] for mode in range(24)])
    risk = run(graph, ids, mask, [2, 2], modes).risk
    thresholds = np.quantile(risk, 1 - share, axis=0) - 1e-3
    together = run(graph, ids, mask, thresholds, modes)
    assert together.flagged.any()
    for row in range(24):
        length = int(mask[row].sum())
        one = slice(row, row + 1)
        alone = run(graph, ids[one, :length], mask[one, :length], thresholds, modes[one])
        for name in ("logits", "base_logits", "shadow_logits", "risk"):
            assert np.allclose(getattr(together, name)[row], getattr(alone, name)[0], atol=1e-5), name


def test_a_decision_stage_alone_runs_no_block_again(two_stages) -> None:
    fairnet, joined = two_stages
    (branch,) = [node for node in joined.graph.node if node.op_type == "If"]
    inside = {node.op_type for attribute in branch.attribute for node in attribute.g.node}
    blocks = {"MatMul", "Gemm", "Softmax", "LayerNormalization"} & inside
    if fairnet.correction.method == "offsets":
        assert not blocks
    assert ("Softmax" in blocks) == ("hidden" in fairnet.reads)


def test_the_base_part_equals_a_separate_export_of_the_base() -> None:
    bare = FairNet(SplitModel(tiny_base(), 3), ("other",))
    other = session(base_only(to_onnx(bare, sample=inputs_of("bert", 3))))
    ids, mask = ragged(7)
    feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    ours = run(session(tiny_graph()), ids, mask, [0, 0], np.full((7, 2), APPLY))
    assert np.array_equal(ours.base_logits, other.run(None, feed)[0])


def test_an_overflowing_adapter_touches_only_its_rows() -> None:
    fairnet = tiny_fairnet()
    for layer in fairnet.correction.gated_layers():
        torch.nn.init.constant_(layer.lora_B["team"].weight, float("inf"))
    joined = to_onnx(fairnet, sample=inputs_of("bert", 3))
    graph = session(joined)
    ids, mask = ragged(16)
    modes = np.full((16, 2), APPLY)
    risk = run(graph, ids, mask, [2, 2], modes).risk
    out = run(graph, ids, mask, [float(np.median(risk[:, 0])), float(np.median(risk[:, 1]))], modes)
    poisoned, other = out.flagged[:, 0], out.flagged[:, 1] & ~out.flagged[:, 0]
    shut = ~out.flagged.any(axis=1)
    assert poisoned.any()
    assert np.isnan(out.logits[poisoned]).all()
    assert np.isfinite(out.logits[~poisoned]).all()
    assert np.array_equal(out.logits[shut], out.base_logits[shut])
    assert not other.any() or not np.array_equal(out.logits[other], out.base_logits[other])
    assert np.isfinite(out.base_logits).all()


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.integers(1, 9),
    seed=st.integers(0, 10_000),
    thresholds=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    data=st.data(),
)
def test_any_mix_of_modes_in_a_batch_answers_each_row_as_alone(rows, seed, thresholds, data) -> None:
    graph = session(tiny_graph())
    ids, mask = ragged(rows, seed=seed)
    modes = np.array(
        data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=rows, max_size=rows))
    )
    together = run(graph, ids, mask, thresholds, modes)
    near = (np.abs(together.risk - np.array(thresholds)) < 1e-5).any(axis=1)
    for row in np.flatnonzero(~near):
        length = int(mask[row].sum())
        alone = run(
            graph, ids[row : row + 1, :length], mask[row : row + 1, :length], thresholds, modes[row : row + 1]
        )
        for name in ("logits", "base_logits", "shadow_logits", "risk"):
            assert np.allclose(getattr(together, name)[row], getattr(alone, name)[0], atol=1e-5), name
        assert np.array_equal(together.flagged[row], alone.flagged[0])


def test_float16_storage_halves_the_file_and_changes_nothing() -> None:
    fairnet = tiny_fairnet()
    round_to_float16(fairnet)
    full, half = (
        to_onnx(fairnet, sample=inputs_of("bert", 3)),
        to_onnx(fairnet, "float16", inputs_of("bert", 3)),
    )
    stored = [sum(len(tensor.raw_data) for tensor in model.graph.initializer) for model in (full, half)]
    assert stored[1] < 0.6 * stored[0]
    ids, mask = ragged(9)
    modes = np.full((9, 2), APPLY)
    one, two = (run(session(model), ids, mask, [0.4, 0.4], modes) for model in (full, half))
    for name in OUTPUTS:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_weights_are_shared_between_base_and_corrected_suffix() -> None:
    names = [tensor.name for tensor in tiny_graph().graph.initializer]
    assert len(names) == len(set(names))
    parameters = sum(p.numel() for p in tiny_fairnet().parameters()) * 4
    assert tiny_graph().ByteSize() < parameters + 100_000


def test_the_graph_names_no_file_of_the_machine_that_made_it() -> None:
    assert b".py" not in tiny_graph().SerializeToString()


def test_a_graph_that_differs_is_refused() -> None:
    ids, mask = ragged(5)
    thresholds, modes = torch.zeros(2), torch.full((5, 2), APPLY)
    out = run(session(tiny_graph()), ids, mask, thresholds, modes)
    with torch.no_grad():
        other = tiny_fairnet(spread=0.6)({"input_ids": ids, "attention_mask": mask}, thresholds, modes)
    with pytest.raises(ParityError, match="what was written and the model differ"):
        compare(other, out, thresholds).check()


def test_attribute_names_are_in_column_order() -> None:
    assert tiny_fairnet().attributes == ATTRIBUTES
