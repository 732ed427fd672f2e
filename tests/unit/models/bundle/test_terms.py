"""Whole words change places, keep their case, and nothing else of a row moves."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableFeatures
from evenhand.models.bundle.manifest import Attribute
from evenhand.models.bundle.terms import ColumnSwapper, Swap, SwapError, TermSwapper, make_swapper, read_terms
from evenhand.training.counterfactual.term_lists import load_terms

TERMS = {
    "gender": {"women": ["she", "her", "her", "woman", "actress"], "men": ["he", "his", "him", "man"]},
    "faith": {"A": ["alpha", "alphas", "alpha person"], "B": ["beta", "betas", ""], "C": ["gamma", "gammas"]},
}
SWAPPER = TermSwapper(TERMS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She knows the man.", "He knows the woman."),
        ("HIS hers, sheep; woman's", "HER hers, sheep; man's"),
        ("him", "her"),
        ("her", "his"),  # a term that is listed twice is read as the first of them
    ],
)
def test_terms_of_both_groups_change_places(text: str, expected: str) -> None:
    assert SWAPPER.swapped(text, "gender", "women", "men") == expected


def test_a_term_without_counterpart_makes_no_swap() -> None:
    assert SWAPPER.swapped("an actress", "gender", "women", "men") is None
    assert SWAPPER.swapped("an alpha person", "faith", "A", "B") is None
    assert SWAPPER.swapped("an alpha person", "faith", "A", "C") is None
    assert SWAPPER.swaps("an alpha person") == []


def test_every_other_group_takes_a_named_ones_place() -> None:
    assert SWAPPER.swaps("alphas and gamma") == [
        Swap("faith", "A", "B", "betas and gamma"),
        Swap("faith", "A", "C", "gammas and alpha"),
        Swap("faith", "C", "A", "gammas and alpha"),
        Swap("faith", "C", "B", "alphas and beta"),
    ]
    assert SWAPPER.swaps("nobody") == []


def test_wire_items_keep_their_form_and_both_texts_of_a_pair_are_swapped() -> None:
    assert [swap.item for swap in SWAPPER.swaps({"text": "she"})] == [{"text": "he"}]
    pair = {"text": "a woman", "text_pair": "her hat"}
    assert [swap.item for swap in SWAPPER.swaps(pair)] == [{"text": "a man", "text_pair": "his hat"}]


@given(st.text(), st.sampled_from([(name, *pair) for name in TERMS for pair in [tuple(TERMS[name])[:2]]]))
def test_words_that_are_no_terms_stay_as_they_are(text: str, way: tuple[str, str, str]) -> None:
    swapped = SWAPPER.swapped(text, *way)
    if swapped is not None and not SWAPPER.named(text, way[0]):
        assert swapped == text


@given(st.lists(st.sampled_from(["she", "he", "woman", "man", "and", "sheep", "his", ","])))
def test_a_swap_back_gives_the_first_text_where_terms_are_one_to_one(words: list[str]) -> None:
    text = " ".join(words)
    there = SWAPPER.swapped(text, "gender", "women", "men")
    assert there is not None
    assert SWAPPER.swapped(there, "gender", "women", "men") == text


def test_the_packaged_list_holds_and_every_term_finds_itself() -> None:
    terms = load_terms()
    swapper = TermSwapper(terms)
    for attribute, groups in terms.items():
        for group, listed in groups.items():
            for term in filter(None, listed):
                assert swapper.named(f"so {term}, then", attribute) == [group]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[", "not a list of terms"),
        ("{}", "names no attribute"),
        ('{"a": {"x": ["zanzibar"]}}', "needs two groups"),
        ('{"a": {"x": ["zanzibar"], "y": ["Zanzibar"]}}', "share a term"),
        ('{"a": {"x": ["zanzibar"], "y": [""]}}', "needs terms"),
        ('{"a": {"x": [" zanzibar"], "y": ["b"]}}', "without spaces"),
        ('{"a": {"x": ["zanzibar"], "y": "zanzibar"}}', "not a list of terms"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_without_its_terms(content: str, reason: str) -> None:
    with pytest.raises(SwapError, match=re.escape(reason)) as caught:
        read_terms(content.encode())
    assert "zanzibar" not in str(caught.value).lower()


def attribute(name: str, *groups: str) -> Attribute:
    return Attribute(
        name=name, groups=list(groups), reference=groups[0], threshold=0.5, mode="apply", why="test"
    )


class Kept:
    """What a swapper reads of a manifest."""

    task = "table"

    def __init__(self, *attributes: Attribute) -> None:
        self.attributes = list(attributes)


FEATURES = TableFeatures(
    numeric=[Numeric(name="old", mean=0, scale=1)],
    categorical=[
        Categorical(name="sex", categories=["F", "M", "X"]),
        Categorical(name="job", categories=["a"]),
    ],
)


def test_an_attributes_own_column_is_replaced_by_every_other_group() -> None:
    swapper = ColumnSwapper(Kept(attribute("sex", "M", "F", "gone"), attribute("old", "0", "1")), FEATURES)
    assert swapper.attributes == ("sex", "old")
    item = {"sex": "F", "job": "a", "old": 1.0}
    assert swapper.swaps(item) == [
        Swap("sex", "F", "M", {"sex": "M", "job": "a", "old": 1.0}),
        Swap("old", "1", "0", {"sex": "F", "job": "a", "old": 0.0}),
    ]
    assert swapper.swaps({"sex": "X", "old": None}) == []
    assert item == {"sex": "F", "job": "a", "old": 1.0}


def test_a_number_of_declared_ranges_becomes_the_middle_of_each_other_range() -> None:
    ranges = ["0-24", "25-39", "40+"]
    aged = attribute("old", "40+", "25-39").model_copy(update={"ranges": ranges})
    swapper = ColumnSwapper(Kept(aged), FEATURES)
    for value in (31, "31.5", 39.9):
        assert swapper.swaps({"old": value}) == [Swap("old", "25-39", "40+", {"old": 47.0})]
    assert swapper.swaps({"old": 60}) == [Swap("old", "40+", "25-39", {"old": 32.0})]
    assert swapper.swaps({"old": 20}) == swapper.swaps({"old": -1}) == swapper.swaps({}) == []


def test_where_the_model_reads_no_column_of_an_attribute_there_is_nothing_to_swap() -> None:
    assert make_swapper(Kept(attribute("race", "a", "b")), FEATURES, None) is None
