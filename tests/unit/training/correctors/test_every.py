"""What holds for every corrector: a new module of the package is tested here without a line of its own."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from corrector_cases import learnt
from safetensors import safe_open
from tiny_model import inputs_of

from evenhand.models.onnx.join import base_only
from evenhand.models.onnx.torch_export import PARITY_TOLERANCE, to_onnx
from evenhand.training.correctors import correctors, named
from evenhand.training.correctors.interface import CorrectorMethod, NotApplicableError
from evenhand.training.data.dataset import DataError
from evenhand.training.learning.adapters import answers

pytestmark = pytest.mark.usefixtures("exports_once")
NAMES = list(correctors())
THRESHOLD = torch.tensor([0.5])
OFF, SHADOW, APPLY = 0, 1, 2


def session(model) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    fairnet, data, notes = learnt(request.param, tmp_path_factory.mktemp("work"))
    graph = to_onnx(fairnet, sample=inputs_of("bert", 3))
    return fairnet, data, notes, graph, session(graph)


def batch(rows: int = 48) -> dict[str, torch.Tensor]:
    """Ragged rows; half of them name the team."""
    inputs = inputs_of("bert", rows, seed=3)
    inputs["input_ids"][::2, 1] = 62
    inputs["input_ids"][1::2, 1] = 61
    return inputs


def run(onnx: ort.InferenceSession, inputs: dict[str, torch.Tensor], thresholds: torch.Tensor, mode: int):
    modes = np.full((len(inputs["input_ids"]), 1), mode, dtype=np.int64)
    feed = {name: tensor.numpy() for name, tensor in inputs.items()}
    names = ["logits", "base_logits", "shadow_logits", "risk", "flagged"]
    outputs = onnx.run(names, {**feed, "thresholds": thresholds.numpy(), "modes": modes})
    return dict(zip(names, outputs, strict=True))


@pytest.mark.parametrize("mode", [SHADOW, APPLY])
def test_onnx_equals_torch(case, mode: int) -> None:
    fairnet, _, _, _, onnx = case
    inputs = batch()
    thresholds = fairnet_median(fairnet, inputs)
    outputs = run(onnx, inputs, thresholds, mode)
    with torch.no_grad():
        expected = fairnet(inputs, thresholds, torch.full((48, 1), mode))
    assert 0 < outputs["flagged"].sum() < 48
    for name in ("logits", "base_logits", "shadow_logits", "risk"):
        assert np.abs(getattr(expected, name).numpy() - outputs[name]).max() <= PARITY_TOLERANCE


def fairnet_median(fairnet, inputs) -> torch.Tensor:
    """A threshold that flags half of the rows, halfway between two risks."""
    with torch.no_grad():
        _, hidden, _ = fairnet.split.base(inputs)
        risk = fairnet.risk(hidden, inputs["attention_mask"])[:, 0].sort().values
    return ((risk[23] + risk[24]) / 2)[None]


@pytest.mark.parametrize(("threshold", "mode"), [(2.0, APPLY), (0.0, OFF)])
def test_a_closed_gate_is_the_base_bit_for_bit(case, threshold: float, mode: int) -> None:
    *_, graph, onnx = case
    inputs = batch()
    outputs = run(onnx, inputs, torch.tensor([threshold]), mode)
    feed = {name: tensor.numpy() for name, tensor in inputs.items()}
    (base,) = session(base_only(graph)).run(["base_logits"], feed)
    assert np.array_equal(outputs["logits"], base)
    assert np.array_equal(outputs["shadow_logits"], base)


def test_an_open_gate_changes_flagged_rows_only_and_the_base_answer_stays(case) -> None:
    fairnet, *_, onnx = case
    inputs = batch()
    thresholds = fairnet_median(fairnet, inputs)
    outputs, shut = run(onnx, inputs, thresholds, APPLY), run(onnx, inputs, thresholds, OFF)
    flagged = outputs["flagged"][:, 0]
    assert np.array_equal(outputs["logits"][~flagged], shut["logits"][~flagged])
    assert np.array_equal(outputs["base_logits"], shut["base_logits"])
    method = named(fairnet.correction.method)
    moved = (outputs["logits"][flagged] != shut["logits"][flagged]).any(axis=1)
    assert moved.any() == method.chosen
    if method.decides:
        assert moved.all()


def changes_answers_itself(method: CorrectorMethod) -> bool:
    """Whether it does so without the decision stage: none or only counting leaves answers as they are."""
    return method.chosen and max(method.strengths) > 0.0


def test_it_changes_answers_or_says_that_it_does_not(case) -> None:
    fairnet, data, *_ = case
    held = data.held[data.gates[data.held, 0]]
    corrected = answers(fairnet.correction, data.material.features, held, data.gates[held], data.risk[held])
    moved = np.abs(corrected - data.material.features.base_logits[held]).max(axis=1) > 1e-4
    assert moved.any() == changes_answers_itself(named(fairnet.correction.method))


@pytest.mark.parametrize("name", NAMES)
def test_where_every_row_is_flagged_it_learns_something_or_says_that_it_cannot(
    name: str, tmp_path: Path
) -> None:
    method = named(name)
    try:
        fairnet, data, _ = learnt(name, tmp_path, always=True)
    except NotApplicableError:
        assert method.compares
        return
    held = data.held
    corrected = answers(fairnet.correction, data.material.features, held, data.gates[held], data.risk[held])
    moved = np.abs(corrected - data.material.features.base_logits[held]).max(axis=1) > 1e-4
    assert moved.any() == (changes_answers_itself(method) and not method.compares)
    assert not any(fairnet.correction.abstain_below)


def test_strength_is_from_nothing_to_all(case) -> None:
    fairnet, data, *_ = case
    held = data.held[:64]
    gates = np.ones((64, 1), dtype=bool)

    def at(strength: float) -> np.ndarray:
        with fairnet.correction.at_strength(strength):
            return answers(fairnet.correction, data.material.features, held, gates, data.risk[held])

    whole = at(1.0)
    assert np.allclose(at(0.0), data.material.features.base_logits[held], atol=1e-4)
    assert np.array_equal(at(1.0), whole)


def test_rows_do_not_meet(case) -> None:
    fairnet, data, *_ = case
    held = data.held[:20]
    gates = np.ones((20, 1), dtype=bool)
    together = answers(fairnet.correction, data.material.features, held, gates, data.risk[held])
    alone = [
        answers(
            fairnet.correction,
            data.material.features,
            held[i : i + 1],
            gates[:1],
            data.risk[held[i : i + 1]],
        )
        for i in range(20)
    ]
    assert np.allclose(together, np.concatenate(alone), atol=1e-5)


def test_what_was_learnt_is_saved_and_told(case, tmp_path: Path) -> None:
    fairnet, _, notes, *_ = case
    json.dumps(notes)
    fairnet.correction.save(tmp_path, "tiny")
    (file, *_) = sorted(tmp_path.rglob("*.safetensors"))
    with safe_open(str(file), "np") as opened:
        assert not [name for name in opened.keys() if name.startswith("split.")]  # noqa: SIM118 - no mapping


@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_chosen_of_it_fits_together(name: str, tmp_path: Path) -> None:
    method = named(name)
    fairnet, *_ = learnt(name, tmp_path)
    assert list(method.strengths) == sorted(set(method.strengths))
    assert 0.0 <= method.strengths[0] <= method.strengths[-1] <= 1.0
    # A strength of 0 leaves the decision stage alone, so there has to be one.
    assert method.decides or method.strengths[0] > 0.0
    # A change that the risk has been multiplied into already would be multiplied by it twice.
    assert not (method.soft and "risk" in fairnet.correction.reads)
    assert len(set(fairnet.reads)) == len(fairnet.reads)
    assert "risk" in fairnet.reads or not (method.decides or method.soft)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(DataError, match="no method 'magic'; there are abstain"):
        named("magic")
