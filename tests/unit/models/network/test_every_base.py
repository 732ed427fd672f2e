"""Every family's classifier is cut, gated row by row and finished again; what cannot be is refused."""

from typing import Any

import pytest
import torch
from tiny_bases import BASES, tiny_classifier, tiny_config, tiny_inputs
from torch import Tensor, nn
from transformers import AutoConfig

from evenhand.models.network.backbones import SplitModel, block_count, set_up
from evenhand.models.network.fairnet import APPLY, FairNet
from evenhand.models.network.family import UnsupportedBaseError
from evenhand.models.network.structure import family_of_config

TITLES = list(BASES)
ATTRIBUTES = ("team", "colour")
NEVER, ALWAYS = torch.full((2,), 2.0), torch.zeros(2)


def fairnet_of(title: str) -> FairNet:
    model = set_up(tiny_classifier(title))
    fairnet = FairNet(SplitModel(model, max(1, block_count(model) // 2)), ATTRIBUTES)
    for name, parameter in fairnet.correction.peft.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, 0.0, 0.5)
    return fairnet.eval()


def alone(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """One row without its padding."""
    of = {name: array[row : row + 1] for name, array in inputs.items()}
    if "attention_mask" in of:
        length = int(of["attention_mask"].sum())
        of = {name: array[:, :length] for name, array in of.items()}
    return of


@pytest.mark.parametrize("title", TITLES)
@torch.no_grad()
def test_a_second_pass_repeats_the_first_and_a_row_is_not_changed_by_its_batch(title: str) -> None:
    fairnet, inputs = fairnet_of(title), tiny_inputs(title, 5)
    split = fairnet.split
    logits, hidden, representation = split.base(inputs)
    assert torch.equal(logits, split.model(**inputs).logits)
    head = split.model.get_submodule(split.family.head)
    assert torch.allclose(head(representation), logits, atol=1e-5)
    shut = torch.zeros(5, 2, dtype=torch.bool)
    again, _ = fairnet.correction(hidden, split.mask(inputs, hidden), shut, inputs)
    assert torch.allclose(again, logits, atol=1e-5)
    for row in range(5):
        own = split.base(alone(inputs, row))
        assert torch.allclose(own[0][0], logits[row], atol=1e-4)
        assert torch.allclose(own[1][0], hidden[row, : own[1].shape[1]], atol=1e-4)
        assert torch.allclose(own[2][0], representation[row], atol=1e-4)


@pytest.mark.parametrize("title", TITLES)
@torch.no_grad()
def test_open_gates_correct_their_own_rows_and_closed_ones_are_the_base_bit_for_bit(title: str) -> None:
    fairnet, inputs = fairnet_of(title), tiny_inputs(title, 6, seed=1)
    modes = torch.full((6, 2), APPLY)
    closed = fairnet(inputs, NEVER, modes)
    base = fairnet.split.model(**inputs).logits
    assert torch.equal(closed.logits, base)
    everyone = fairnet(inputs, ALWAYS, modes)
    assert not (everyone.logits == base).all(dim=1).any()
    between = torch.stack([closed.risk[:, 0].sort().values[2:4].mean(), torch.tensor(2.0)])
    some = fairnet(inputs, between, modes)
    flagged = some.flagged.any(dim=1)
    assert 0 < int(flagged.sum()) < 6
    assert torch.equal(some.logits[~flagged], base[~flagged])
    assert not (some.logits[flagged] == base[flagged]).all(dim=1).any()
    for row in range(6):
        own = fairnet(alone(inputs, row), between, modes[:1])
        assert torch.allclose(own.logits[0], some.logits[row], atol=1e-4)


@pytest.mark.parametrize("title", TITLES)
def test_the_family_is_known_from_the_configuration_alone(title: str) -> None:
    family = family_of_config(tiny_config(title), BASES[title].kind)
    split = SplitModel(tiny_classifier(title), 1)
    assert split.family == family
    other = "text" if BASES[title].kind == "image" else "image"
    with pytest.raises(
        UnsupportedBaseError, match=f"'{BASES[title].model_type}' is not supported for {other}"
    ):
        family_of_config(tiny_config(title), other)


@pytest.mark.parametrize(
    ("model_type", "kind", "settings", "reason"),
    [
        ("bart", "text", {}, "it has an encoder and a decoder"),
        ("t5", "text", {}, "it has an encoder and a decoder"),
        ("whisper", "text", {}, "no text classifier of this type"),
        (
            "bert",
            "text",
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            "weights are quantised",
        ),
        ("resnet", "image", {"num_channels": 1}, "it reads images of 1 channels"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name_and_reason(
    model_type: str, kind: str, settings: dict[str, Any], reason: str
) -> None:
    config = AutoConfig.for_model(model_type, **settings)
    with pytest.raises(UnsupportedBaseError) as caught:
        family_of_config(config, kind)
    message = str(caught.value)
    assert f"'{model_type}'" in message
    assert reason in message
    assert "\n" not in message
