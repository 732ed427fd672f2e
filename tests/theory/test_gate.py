"""Identities of the method: a shut gate is the base bit for bit, and an open one does change the answer."""

import pytest
import torch
from tiny_model import ATTRIBUTES, KINDS, inputs_of, ragged, tiny_base, tiny_fairnet

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.fairnet import APPLY, SHADOW, FairNet


def modes(rows: int, mode: int = APPLY) -> torch.Tensor:
    return torch.full((rows, len(ATTRIBUTES)), mode)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cut_base_is_the_base(kind: str) -> None:
    base = tiny_base(kind)
    split = SplitModel(base, 2)
    inputs = inputs_of(kind, 6)
    with torch.no_grad():
        logits, hidden, representation = split.base(inputs)
        finished, same = split.finish(hidden, split.mask(inputs, hidden))
        assert torch.equal(logits, base(**inputs).logits)
    assert hidden.shape[0] == 6
    assert hidden.shape[2] == split.hidden_size
    assert torch.equal(finished, logits)
    assert torch.equal(same, representation)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_correction_equals_the_base(kind: str) -> None:
    fairnet = FairNet(SplitModel(tiny_base(kind), 2), ATTRIBUTES)
    with torch.no_grad():
        out = fairnet(inputs_of(kind, 5), torch.zeros(2), modes(5))
    assert out.flagged.all()
    assert torch.equal(out.logits, out.base_logits)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_shut_rows_equal_the_base_and_open_rows_do_not(rows: int) -> None:
    fairnet = tiny_fairnet()
    ids, mask = ragged(rows)
    with torch.no_grad():
        plain = fairnet.split.base({"input_ids": ids, "attention_mask": mask})[0]
        risk = fairnet({"input_ids": ids, "attention_mask": mask}, torch.full((2,), 2.0), modes(rows)).risk
        middle = risk.amax(dim=0).minimum(risk.median(dim=0).values + 1e-6)
        for thresholds in (torch.full((2,), 2.0), middle, torch.zeros(2)):
            out = fairnet({"input_ids": ids, "attention_mask": mask}, thresholds, modes(rows))
            shut = ~out.flagged.any(dim=1)
            assert torch.equal(out.base_logits, plain)
            assert torch.equal(out.logits[shut], plain[shut])
            assert not (out.logits[~shut] == plain[~shut]).all(dim=1).any()


def test_shut_rows_survive_an_overflowing_correction() -> None:
    fairnet = tiny_fairnet()
    for layer in fairnet.correction.gated_layers():
        torch.nn.init.constant_(layer.lora_B["team"].weight, float("inf"))
    ids, mask = ragged(8)
    with torch.no_grad():
        hidden = fairnet.split.base({"input_ids": ids, "attention_mask": mask})[1]
        gates = torch.zeros(8, 2, dtype=torch.bool)
        gates[3, 0] = True
        corrected = fairnet.correction(hidden, mask, gates)[0]
        shut = fairnet.correction(hidden, mask, torch.zeros_like(gates))[0]
    assert torch.isnan(corrected[3]).all()
    keep = torch.arange(8) != 3
    assert torch.equal(corrected[keep], shut[keep])


def test_adapters_of_one_row_add_up() -> None:
    fairnet = tiny_fairnet()
    layer = fairnet.correction.gated_layers()[0]
    x = torch.randn(4, 5, 32)

    def change(*gate: bool) -> torch.Tensor:
        layer.gates.open = torch.tensor(gate).expand(4, 2)
        return layer(x) - layer.base_layer(x)

    with torch.no_grad():
        assert torch.allclose(change(True, True), change(True, False) + change(False, True), atol=1e-5)
        assert change(True, False).abs().max() > 1e-3


def test_gated_lora_without_gates_refuses_to_run() -> None:
    layer = tiny_fairnet().correction.gated_layers()[0]
    with pytest.raises(RuntimeError, match="without gates"):
        layer(torch.randn(1, 2, 32))


def test_shadow_serves_the_base_and_says_what_it_would_have_said() -> None:
    fairnet = tiny_fairnet()
    ids, mask = ragged(6)
    with torch.no_grad():
        applied = fairnet({"input_ids": ids, "attention_mask": mask}, torch.zeros(2), modes(6))
        shadowed = fairnet({"input_ids": ids, "attention_mask": mask}, torch.zeros(2), modes(6, SHADOW))
        off = fairnet({"input_ids": ids, "attention_mask": mask}, torch.zeros(2), modes(6, 0))
        mixed = fairnet(
            {"input_ids": ids, "attention_mask": mask},
            torch.zeros(2),
            torch.tensor([[APPLY, SHADOW]]).expand(6, 2),
        )
        alone = fairnet({"input_ids": ids, "attention_mask": mask}, torch.tensor([0.0, 2.0]), modes(6))
    assert torch.equal(shadowed.logits, shadowed.base_logits)
    assert torch.allclose(shadowed.shadow_logits, applied.logits, atol=1e-5)
    assert torch.equal(off.logits, off.base_logits)
    assert torch.equal(off.shadow_logits, off.base_logits)
    assert off.flagged.all()
    assert torch.allclose(mixed.logits, alone.logits, atol=1e-5)
    assert torch.allclose(mixed.shadow_logits, applied.logits, atol=1e-5)


def test_correction_has_at_most_the_rank_of_its_adapters() -> None:
    layer = tiny_fairnet().correction.gated_layers()[0]
    update = layer.lora_B["team"].weight @ layer.lora_A["team"].weight
    assert torch.linalg.matrix_rank(update) <= 8
