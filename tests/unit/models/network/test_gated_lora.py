"""Adapters open in everybody's tools."""

import copy
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tiny_model import TEXT_KINDS, inputs_of, tiny_base, tiny_fairnet

from evenhand.models.network.gated_lora import ConditionalLora


def gates(team: bool, colour: bool) -> torch.Tensor:
    return torch.tensor([[team, colour]]).expand(5, 2)


@torch.no_grad()
def finish(
    correction: ConditionalLora, team: bool, colour: bool, inputs: dict[str, torch.Tensor] | None = None
) -> torch.Tensor:
    rows = inputs or inputs_of("bert", 5)
    hidden = correction.split.base(rows)[1]
    return correction(hidden, correction.split.mask(rows, hidden), gates(team, colour))[0]


@pytest.mark.parametrize("kind", [*TEXT_KINDS, "vit", "convnext"])
def test_plain_peft_loads_an_adapter_and_says_the_same(kind: str, tmp_path: Path) -> None:
    correction = tiny_fairnet(kind).correction
    correction.save(tmp_path, "somebody/base")
    inputs = inputs_of(kind, 5)
    for name, opened in (("team", (True, False)), ("colour", (False, True))):
        plain = PeftModel.from_pretrained(tiny_base(kind), tmp_path / name).eval()
        with torch.no_grad():
            expected = plain(**inputs).logits
        assert torch.allclose(finish(correction, *opened, inputs), expected, atol=1e-5)
        assert not torch.allclose(finish(correction, False, False, inputs), expected, atol=1e-3)
        assert '"somebody/base"' in (tmp_path / name / "adapter_config.json").read_text()
    assert not list(tmp_path.rglob("README.md"))


def test_strength_scales_and_folds() -> None:
    correction = tiny_fairnet().correction
    full = finish(correction, True, False)
    with correction.at_strength(0.5):
        half = finish(correction, True, False)
    assert torch.equal(finish(correction, True, False), full)
    assert not torch.allclose(half, full, atol=1e-3)
    with correction.at_strength(0.0):
        assert torch.allclose(finish(correction, True, False), finish(correction, False, False), atol=1e-6)
    folded = copy.deepcopy(correction)
    folded.fold_strength(0.5)
    assert torch.allclose(finish(folded, True, False), half, atol=1e-5)


def test_only_adapters_learn() -> None:
    correction = tiny_fairnet().correction
    names = [name for name, parameter in correction.named_parameters() if parameter.requires_grad]
    assert names
    assert all("lora_" in name for name in names)


def test_a_correction_without_an_attribute_answers_as_the_base_for_it_and_as_before_for_the_others(
    tmp_path: Path,
) -> None:
    correction = tiny_fairnet().correction
    both, team, colour = (
        finish(correction, *opened) for opened in ((True, True), (True, False), (False, True))
    )
    correction.keep(["colour"])
    assert torch.equal(finish(correction, True, False), finish(correction, False, False))
    assert torch.equal(finish(correction, True, True), colour)
    assert not torch.allclose(both, colour, atol=1e-3)
    assert not torch.allclose(team, colour, atol=1e-3)
    correction.save(tmp_path, "somebody/base")
    assert [folder.name for folder in tmp_path.iterdir()] == ["colour"]


def test_a_correction_of_no_attribute_keeps_its_parts() -> None:
    correction = tiny_fairnet().correction
    before = finish(correction, True, True)
    correction.keep([])
    assert torch.equal(finish(correction, True, True), before)
