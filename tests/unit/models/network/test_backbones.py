"""What can be cut, and what is refused."""

import pytest
from tiny_model import tiny_base
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.family import UnsupportedBaseError


def test_a_model_without_repeated_blocks_is_refused() -> None:
    config = MobileNetV1Config(num_labels=2, depth_multiplier=0.25)
    other = MobileNetV1ForImageClassification(config)
    other.mobilenet_v1.layer = nn.Sequential(*other.mobilenet_v1.layer)
    with pytest.raises(
        UnsupportedBaseError, match=r"'mobilenet_v1' is not supported: .* no list of repeated"
    ):
        SplitModel(other, 1)


@pytest.mark.parametrize("layer", [-1, 0, 4, 9])
def test_a_cut_outside_the_blocks_is_refused(layer: int) -> None:
    with pytest.raises(UnsupportedBaseError, match="not between 1 and 3"):
        SplitModel(tiny_base(), layer)


def test_the_base_is_frozen_and_stays_in_evaluation_mode() -> None:
    split = SplitModel(tiny_base(), 2)
    split.train()
    assert not any(module.training for module in split.modules())
    assert not any(parameter.requires_grad for parameter in split.parameters())


def test_the_suffix_shares_every_weight_with_the_base() -> None:
    split = SplitModel(tiny_base(), 2)
    own = {id(parameter) for parameter in split.model.parameters()}
    assert all(id(parameter) in own for parameter in split.suffix.parameters())
