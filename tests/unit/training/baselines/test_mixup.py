"""Who is blended with whom, and what blending leaves alone."""

import numpy as np
import pytest
import torch
from tiny_model import inputs_of, tiny_base

from evenhand.models.bundle.inputs import Encoded
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups
from evenhand.training.baselines.mixup import Blend, blended, partners

RNG = np.random.default_rng(0)
CODES, LABELS = RNG.choice([0, 0, 0, 0, 0, 0, 1, 2, LEFT_OUT], 4000), RNG.integers(0, 2, 4000)
GROUPS = Groups(("a", "b", "c"), CODES, LABELS, 2)


def test_partners_have_the_label_another_group_and_every_group_alike() -> None:
    batch = np.arange(2000, 4000)
    order = partners(GROUPS, batch, np.random.default_rng(0))
    codes, known = CODES[batch], CODES[batch] != LEFT_OUT
    assert (LABELS[batch][order] == LABELS[batch]).all()
    assert (order == np.arange(2000))[~known].all()
    assert (codes[order] != codes)[known].all()
    of_common = codes[order][codes == 0]
    assert np.bincount(of_common, minlength=3)[1:].min() > 0.4 * len(of_common)


def test_a_row_without_a_partner_is_its_own() -> None:
    groups = Groups(("a", "b"), np.array([0, 0, 1]), np.array([0, 0, 1]), 2)
    assert partners(groups, np.arange(3), RNG).tolist() == [0, 1, 2]


def test_blending_is_the_weighted_mean_and_stops_where_the_shorter_text_does() -> None:
    hidden = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    weights, order = torch.tensor([0.25, 1.0]), np.array([1, 0])
    found = blended(hidden, order, weights, np.array([2, 2]))
    assert torch.allclose(found[0, :2], 0.25 * hidden[0, :2] + 0.75 * hidden[1, :2])
    assert torch.equal(found[0, 2:], hidden[0, 2:])
    assert torch.equal(found[1], hidden[1])
    assert torch.allclose(blended(hidden, order, weights, None)[0], 0.25 * hidden[0] + 0.75 * hidden[1])


@pytest.mark.parametrize("kind", ["bert", "distilbert", "deberta-v2", "tabular", "convnext"])
def test_only_rows_with_a_partner_answer_otherwise_and_only_while_it_is_open(kind: str) -> None:
    model, inputs = tiny_base(kind), inputs_of(kind, 3)
    rows = [Encoded({name: value[index].numpy() for name, value in inputs.items()}, 12) for index in range(3)]
    groups = Groups(("a", "b"), np.array([0, 1, 0]), np.array([0, 0, 1]), 2)
    blend = Blend(model, rows, groups, 2.0, seed=0)
    with torch.no_grad():
        plain = model(**inputs).logits
        with blend.around(np.arange(3)):
            mixed = model(**inputs).logits
        after = model(**inputs).logits
    assert torch.equal(plain, after)
    assert not torch.isclose(plain[:2], mixed[:2]).any()
    assert torch.allclose(plain[2], mixed[2], atol=1e-6)
