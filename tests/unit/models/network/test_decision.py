"""The decision stage: offsets times risk for the rows that a gate selects, and nothing for any other row."""

import numpy as np
import pytest
import torch
from tiny_model import ATTRIBUTES, inputs_of, tiny_base, tiny_fairnet

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Selected
from evenhand.models.network.decision import DecisionStage, OffsetsAlone, Unchanged
from evenhand.models.network.fairnet import APPLY, SHADOW, FairNet

OFFSETS = ((-0.5, 1.0), (0.25, 0.0))
ROWS = 24


def alone() -> FairNet:
    """A model whose first stage leaves answers as they are."""
    made = FairNet(SplitModel(tiny_base(), 2), ATTRIBUTES, make=lambda split, _: OffsetsAlone(split))
    made.decision.set(OFFSETS)
    return made.eval()


def run(fairnet: FairNet, thresholds: torch.Tensor, mode: int = APPLY):
    with torch.no_grad():
        return fairnet(inputs_of("bert", ROWS), thresholds, torch.full((ROWS, len(ATTRIBUTES)), mode))


def between(fairnet: FairNet) -> torch.Tensor:
    """Thresholds that each flag half of the rows."""
    risk = run(fairnet, torch.full((2,), 2.0)).risk.sort(dim=0).values
    return (risk[ROWS // 2 - 1] + risk[ROWS // 2]) / 2


def test_offsets_are_added_times_risk_to_every_open_attribute() -> None:
    fairnet = alone()
    thresholds = between(fairnet)
    out = run(fairnet, thresholds)
    weight = out.flagged * out.risk
    expected = out.base_logits + weight @ torch.tensor(OFFSETS)
    assert torch.allclose(out.logits, expected, atol=1e-6)
    # All four combinations of gates are there.
    assert len({tuple(gates) for gates in out.flagged.tolist()}) == 4


def test_rows_below_the_threshold_are_the_bases_bit_for_bit() -> None:
    for fairnet in (alone(), tiny_fairnet()):
        fairnet.decision.set(OFFSETS)
        fairnet.soft = True
        out = run(fairnet, between(fairnet))
        shut = ~out.flagged.any(dim=1)
        assert 0 < shut.sum() < ROWS
        assert torch.equal(out.logits[shut], out.base_logits[shut])
        assert not (out.logits[~shut] == out.base_logits[~shut]).all(dim=1).any()
        assert torch.equal(out.base_logits, run(fairnet, torch.full((2,), 2.0)).logits)


def test_a_shadowed_attribute_moves_only_what_would_be_served() -> None:
    fairnet = alone()
    thresholds = between(fairnet)
    shadowed, applied = run(fairnet, thresholds, SHADOW), run(fairnet, thresholds)
    assert torch.equal(shadowed.logits, shadowed.base_logits)
    assert torch.equal(shadowed.shadow_logits, applied.logits)


def test_a_soft_first_stage_is_multiplied_by_the_risk_of_its_open_gates() -> None:
    fairnet = tiny_fairnet()
    thresholds = between(fairnet)
    hard = run(fairnet, thresholds)
    fairnet.soft = True
    soft = run(fairnet, thresholds)
    # Of several open gates the surest counts.
    weight = (hard.flagged * hard.risk).amax(dim=1, keepdim=True)
    expected = hard.base_logits + weight * (hard.logits - hard.base_logits)
    assert torch.allclose(soft.logits, expected, atol=1e-5)
    assert not torch.allclose(soft.logits, hard.logits, atol=1e-3)


def test_the_decision_stage_follows_the_first() -> None:
    fairnet = tiny_fairnet()
    first = run(fairnet, torch.zeros(2))
    fairnet.decision.set(OFFSETS)
    both = run(fairnet, torch.zeros(2))
    assert torch.allclose(both.logits, first.logits + first.risk @ torch.tensor(OFFSETS), atol=1e-5)


@pytest.mark.parametrize(
    ("soft", "offsets", "more"),
    [
        (False, ((0.0, 0.0), (0.0, 0.0)), ()),
        (False, OFFSETS, ("risk",)),
        (True, ((0.0, 0.0), (0.0, 0.0)), ("logits", "risk")),
        (True, OFFSETS, ("logits", "risk")),
    ],
)
def test_only_what_both_stages_need_is_read(soft: bool, offsets, more: tuple[str, ...]) -> None:
    fairnet = tiny_fairnet()
    fairnet.soft = soft
    fairnet.decision.set(offsets)
    assert fairnet.reads == ("hidden", "mask", *more)
    assert alone().reads == ("logits", "risk")


def test_a_stage_without_offsets_is_not_active_until_one_is_set() -> None:
    stage = DecisionStage(2, 3)
    assert not stage.active
    stage.set([(0.0, 0.0, 1e-3), (0.0, 0.0, 0.0)])
    assert stage.active
    stage.set(np.zeros((2, 3)).tolist())
    assert not stage.active


def test_offsets_of_another_shape_are_refused() -> None:
    with pytest.raises(RuntimeError):
        DecisionStage(2, 3).set([(1.0, 2.0)] * 2)


def test_a_first_stage_that_changes_nothing_returns_its_own_tensor() -> None:
    """A later in-place change of the answer must not reach the base's."""
    logits = torch.randn(4, 2)
    empty = torch.empty(0)
    rows = Selected(torch.ones(4, 2, dtype=torch.bool), empty, empty, logits, empty, empty)
    answer = Unchanged(SplitModel(tiny_base(), 2)).correct(rows)
    assert torch.equal(answer, logits)
    assert answer.data_ptr() != logits.data_ptr()


def test_a_row_gets_the_same_offset_in_any_batch() -> None:
    stage = DecisionStage(2, 2)
    stage.set(OFFSETS)
    empty, rng = torch.empty(0), torch.Generator().manual_seed(0)
    logits, risk = torch.randn(50, 2, generator=rng), torch.rand(50, 2, generator=rng)
    gates = torch.rand(50, 2, generator=rng) > 0.5

    def moved(at: slice) -> torch.Tensor:
        return stage(logits[at], Selected(gates[at], empty, empty, logits[at], risk[at], empty))

    together = moved(slice(None))
    assert all(torch.equal(together[row : row + 1], moved(slice(row, row + 1))) for row in range(50))
