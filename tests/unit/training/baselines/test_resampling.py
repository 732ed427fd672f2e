"""Changes of the training rows: draws per cell, labels, swapped terms and blended embeddings."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import inputs_of, tiny_base

from evenhand.models.bundle.inputs import Encoded
from evenhand.models.bundle.terms import TermSwapper
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups
from evenhand.training.baselines.resampling import (
    Blend,
    CounterfactualAugmentation,
    blended,
    counterfactuals,
    massaged,
    partners,
    targets,
    with_terms,
)
from evenhand.training.baselines.retrain import Erm
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.data.dataset import DataError

TERMS = {"gender": {"Women": ["she", "girl"], "Men": ["he", "boy"]}}
TEXTS = ["She saw a girl", "nobody here", "the boy ran", "he and she"]


def test_every_text_that_names_a_group_is_there_once_more_with_the_other_group() -> None:
    made, origins = counterfactuals(TermSwapper(TERMS), TEXTS, np.array([0, 1, 2]), seed=0)
    assert made == ["He saw a boy", "the girl ran"]
    assert origins.tolist() == [0, 2]


def test_only_chosen_rows_are_swapped_and_the_draw_is_seeded() -> None:
    terms = {"faith": {name: [name] for name in ("muslim", "jewish", "hindu", "christian")}}
    texts = ["a muslim text"] * 40
    drawn = [counterfactuals(TermSwapper(terms), texts, np.arange(30), seed)[0] for seed in (0, 0, 1)]
    assert len(drawn[0]) == 30
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == {"a jewish text", "a hindu text", "a christian text"}


def context(task: str, *attributes: str) -> SimpleNamespace:
    columns = SimpleNamespace(task=task)
    schema = SimpleNamespace(groups=dict.fromkeys(attributes, ("a", "b")))
    return SimpleNamespace(config=SimpleNamespace(columns=columns), schema=schema)


@pytest.mark.parametrize(
    ("texts", "message"),
    [(("table", "gender"), "this data has none"), (("text", "team"), "give --terms a list")],
)
def test_where_no_term_can_be_swapped_it_says_why(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(NotApplicableError, match=message):
        CounterfactualAugmentation().learn(context(*texts))  # type: ignore[arg-type]


def test_a_users_list_replaces_the_packaged_one_and_its_content_is_part_of_the_key(tmp_path: Path) -> None:
    file, same = tmp_path / "terms.json", tmp_path / "same.json"
    file.write_text(json.dumps(TERMS))
    same.write_text(json.dumps(TERMS, indent=2))
    method, other = with_terms([CounterfactualAugmentation(), Erm()], file)
    assert other == Erm()
    assert method.key != CounterfactualAugmentation().key
    assert method.key == with_terms([CounterfactualAugmentation()], same)[0].key
    assert with_terms([Erm()], None) == (Erm(),)
    file.write_text('{"gender": {"Women": ["she"]}}')
    with pytest.raises(DataError, match="needs two groups"):
        with_terms([], file)


def test_ten_applicants_by_hand() -> None:
    # Four of six men and one of four women are selected: M = |4/6 - 1/4| * 6 * 4 / 10 = 1 promotion and
    # demotion.
    men = np.array([True, True, True, True, False, False])
    women = np.array([True, False, False, False])
    score = np.array([0.9, 0.8, 0.4, 0.7, 0.6, 0.1, 0.9, 0.2, 0.5, 0.3])
    changed = massaged(np.concatenate([men, women]), np.array([0] * 6 + [1] * 4), score)
    assert np.flatnonzero(changed != np.concatenate([men, women])).tolist() == [2, 8]
    assert changed.tolist() == [True, True, False, True, False, False, True, False, True, False]


rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0, 1, 2, LEFT_OUT]), st.integers(-20, 20)),
    min_size=1,
    max_size=80,
)


@given(rows)
def test_rates_become_alike_and_only_the_nearest_rows_change(cells: list[tuple[bool, int, int]]) -> None:
    selected, codes, score = (np.array(column) for column in zip(*cells, strict=True))
    if not (codes != LEFT_OUT).any():
        return
    changed = massaged(selected, codes, score)
    has_group = codes != LEFT_OUT
    assert changed.sum() == selected.sum()
    assert (changed == selected)[~has_group].all()
    for code in np.unique(codes[has_group]):
        inside = codes == code
        assert abs(changed[inside].sum() - selected[has_group].mean() * inside.sum()) < 1
        up, down = inside & changed & ~selected, inside & ~changed & selected
        assert not (up.any() and down.any())
        if up.any():
            assert score[up].min() >= score[inside & ~changed].max(initial=-99)
        if down.any():
            assert score[down].max() <= score[inside & changed].min(initial=99)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_two_groups_move_what_the_papers_formula_says(first: int, second: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(0, first)), data.draw(st.integers(0, second))
    selected = np.concatenate([np.arange(first) < good[0], np.arange(second) < good[1]])
    target_rates = targets(selected, np.array([0] * first + [1] * second))
    paper = (good[0] / first - good[1] / second) * first * second / (first + second)
    assert abs((good[0] - target_rates[0]) - paper) < 1
    assert good[0] - target_rates[0] == target_rates[1] - good[1]


RNG = np.random.default_rng(0)
CODES, LABELS = RNG.choice([0, 0, 0, 0, 0, 0, 1, 2, LEFT_OUT], 4000), RNG.integers(0, 2, 4000)
GROUPS = Groups(("a", "b", "c"), CODES, LABELS, 2)


def test_partners_have_the_label_another_group_and_every_group_alike() -> None:
    batch = np.arange(2000, 4000)
    order = partners(GROUPS, batch, np.random.default_rng(0))
    codes, has_group = CODES[batch], CODES[batch] != LEFT_OUT
    assert (LABELS[batch][order] == LABELS[batch]).all()
    assert (order == np.arange(2000))[~has_group].all()
    assert (codes[order] != codes)[has_group].all()
    of_common = codes[order][codes == 0]
    assert np.bincount(of_common, minlength=3)[1:].min() > 0.4 * len(of_common)


def test_a_row_without_a_partner_is_its_own() -> None:
    groups = Groups(("a", "b"), np.array([0, 0, 1]), np.array([0, 0, 1]), 2)
    assert partners(groups, np.arange(3), RNG).tolist() == [0, 1, 2]


def test_blending_is_the_weighted_mean_and_stops_where_the_shorter_text_does() -> None:
    hidden = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    weights, order = torch.tensor([0.25, 1.0]), np.array([1, 0])
    mixed = blended(hidden, order, weights, np.array([2, 2]))
    assert torch.allclose(mixed[0, :2], 0.25 * hidden[0, :2] + 0.75 * hidden[1, :2])
    assert torch.equal(mixed[0, 2:], hidden[0, 2:])
    assert torch.equal(mixed[1], hidden[1])
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
