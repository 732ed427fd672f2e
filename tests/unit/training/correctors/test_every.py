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
from evenhand.training.correctors.interface import NotApplicableError
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
    fairnet, given, notes = learnt(request.param, tmp_path_factory.mktemp("work"))
    graph = to_onnx(fairnet, sample=inputs_of("bert", 3))
    return fairnet, given, notes, graph, session(graph)


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
    found = onnx.run(names, {**feed, "thresholds": thresholds.numpy(), "modes": modes})
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("mode", [SHADOW, APPLY])
def test_onnx_equals_torch(case, mode: int) -> None:
    fairnet, _, _, _, onnx = case
    inputs = batch()
    thresholds = fairnet_median(fairnet, inputs)
    found = run(onnx, inputs, thresholds, mode)
    with torch.no_grad():
        expected = fairnet(inputs, thresholds, torch.full((48, 1), mode))
    assert 0 < found["flagged"].sum() < 48
    for name in ("logits", "base_logits", "shadow_logits", "risk"):
        assert np.abs(getattr(expected, name).numpy() - found[name]).max() <= PARITY_TOLERANCE


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
    found = run(onnx, inputs, torch.tensor([threshold]), mode)
    feed = {name: tensor.numpy() for name, tensor in inputs.items()}
    (base,) = session(base_only(graph)).run(["base_logits"], feed)
    assert np.array_equal(found["logits"], base)
    assert np.array_equal(found["shadow_logits"], base)


def test_an_open_gate_changes_flagged_rows_only_and_the_base_answer_stays(case) -> None:
    fairnet, *_, onnx = case
    inputs = batch()
    thresholds = fairnet_median(fairnet, inputs)
    found, shut = run(onnx, inputs, thresholds, APPLY), run(onnx, inputs, thresholds, OFF)
    flagged = found["flagged"][:, 0]
    assert np.array_equal(found["logits"][~flagged], shut["logits"][~flagged])
    assert np.array_equal(found["base_logits"], shut["base_logits"])


def test_it_changes_answers_or_says_that_it_does_not(case) -> None:
    fairnet, given, *_ = case
    held = given.held[given.gates[given.held, 0]]
    found = answers(fairnet.correction, given.material.features, held, given.gates[held], given.risk[held])
    moved = np.abs(found - given.material.features.base_logits[held]).max(axis=1) > 1e-4
    assert moved.any() == named(fairnet.correction.method).chosen


@pytest.mark.parametrize("name", NAMES)
def test_where_every_row_is_flagged_it_learns_something_or_says_that_it_cannot(
    name: str, tmp_path: Path
) -> None:
    method = named(name)
    try:
        fairnet, given, _ = learnt(name, tmp_path, always=True)
    except NotApplicableError:
        assert method.compares
        return
    held = given.held
    found = answers(fairnet.correction, given.material.features, held, given.gates[held], given.risk[held])
    moved = np.abs(found - given.material.features.base_logits[held]).max(axis=1) > 1e-4
    assert moved.any() == (method.chosen and not method.compares)
    assert not any(fairnet.correction.abstain_below)


def test_strength_is_from_nothing_to_all(case) -> None:
    fairnet, given, *_ = case
    held = given.held[:64]
    gates = np.ones((64, 1), dtype=bool)

    def at(strength: float) -> np.ndarray:
        with fairnet.correction.at_strength(strength):
            return answers(fairnet.correction, given.material.features, held, gates, given.risk[held])

    whole = at(1.0)
    assert np.allclose(at(0.0), given.material.features.base_logits[held], atol=1e-4)
    assert np.array_equal(at(1.0), whole)


def test_rows_do_not_meet(case) -> None:
    fairnet, given, *_ = case
    held = given.held[:20]
    gates = np.ones((20, 1), dtype=bool)
    together = answers(fairnet.correction, given.material.features, held, gates, given.risk[held])
    alone = [
        answers(
            fairnet.correction,
            given.material.features,
            held[i : i + 1],
            gates[:1],
            given.risk[held[i : i + 1]],
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


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(DataError, match="no method 'magic'; there are abstain"):
        named("magic")
