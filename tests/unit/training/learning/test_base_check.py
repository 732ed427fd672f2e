"""What was read off a base is proven on rows before anything is learnt; a base that differs is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tiny_bases import tiny_classifier, tiny_inputs
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from evenhand.models.bundle.inputs import Encoded
from evenhand.models.network.backbones import set_up
from evenhand.models.network.family import UnsupportedBaseError
from evenhand.training.learning.base_check import check_base


def rows() -> list[Encoded]:
    rng = np.random.default_rng(0)
    return [Encoded({"input_ids": rng.integers(4, 18, length)}, length) for length in (7, 3, 12, 5)]


@pytest.mark.parametrize("title", ["BERT", "GPT-2", "XLNet", "ALBERT"])
def test_a_base_that_holds_is_left_as_it_was(title: str) -> None:
    model = set_up(tiny_classifier(title)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    check_base(model, 1, rows(), 0)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_pixels_are_checked_as_well() -> None:
    pixels = tiny_inputs("Swin", 3)["pixel_values"].numpy()
    check_base(tiny_classifier("Swin"), 1, [Encoded({"pixel_values": image}, 4) for image in pixels], 0)


def padding_counts(model: nn.Module) -> None:
    """Nothing pads its rows before their beginning, where its head expects it."""


def answers_twice_as_much(model: nn.Module) -> None:
    def double(_: nn.Module, __: object, output: SequenceClassifierOutput) -> SequenceClassifierOutput:
        output.logits = output.logits * 2
        return output

    model.register_forward_hook(double)


def answers_without_end(model: nn.Module) -> None:
    with torch.no_grad():
        model.get_submodule("logits_proj" if hasattr(model, "logits_proj") else "classifier").bias.fill_(
            np.inf
        )


def fails(model: nn.Module) -> None:
    model.register_forward_pre_hook(lambda _, __: (_ for _ in ()).throw(RuntimeError("out of\nluck")))


@pytest.mark.parametrize(
    ("title", "change", "reason"),
    [
        ("XLNet", padding_counts, "depends on the padding"),
        ("BERT", answers_twice_as_much, "not what its last linear layer"),
        ("BERT", answers_without_end, "not finite numbers"),
        ("BERT", fails, r"does not run on rows \(out of\)"),
    ],
)
def test_a_base_that_does_not_hold_is_refused_by_name(
    title: str, change: Callable[[nn.Module], None], reason: str
) -> None:
    model = tiny_classifier(title)
    change(model)
    with pytest.raises(UnsupportedBaseError, match=f"'{title.lower()}' is not supported.*{reason}"):
        check_base(model, 1, rows(), 0)
