"""Swapped texts, who gets one, and when there is nothing to swap; learning on them runs in ``test_compare.py``."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evenhand.models.bundle.terms import TermSwapper
from evenhand.training.baselines.augment import CounterfactualAugmentation, counterfactuals, with_terms
from evenhand.training.baselines.method import NotApplicableError
from evenhand.training.baselines.retrain import Erm
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
    ("given", "message"),
    [(("table", "gender"), "this data has none"), (("text", "team"), "give --terms a list")],
)
def test_where_no_term_can_be_swapped_it_says_why(given: tuple[str, ...], message: str) -> None:
    with pytest.raises(NotApplicableError, match=message):
        CounterfactualAugmentation().learn(context(*given))  # type: ignore[arg-type]


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
