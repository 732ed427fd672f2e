"""What can be cut, and what is refused."""

import pytest
from tiny_model import tiny_base
from transformers import GPT2Config, GPT2ForSequenceClassification

from evenhand.models.network.backbones import SplitModel, UnsupportedBaseError


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    other = GPT2ForSequenceClassification(GPT2Config(vocab_size=20, n_embd=8, n_layer=2, n_head=2))
    with pytest.raises(UnsupportedBaseError, match=r"'gpt2' is not supported.*use one of bert"):
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
