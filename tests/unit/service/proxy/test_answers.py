"""A server's way of writing an answer, read and written."""

from typing import Any

import pytest
import recording
from hypothesis import given
from hypothesis import strategies as st

from evenhand.service.proxy.answers import Forms, Said, forms_of, moved
from evenhand.service.proxy.wires.json_path import Unreadable
from evenhand.service.settings import SettingsError
from evenhand.service.types import Answer

BESIDE = {"no": 0.7, "yes": 0.3}


def forms(values: dict[str, str] | None = None, score_of: str = "", scale: Any = "probabilities") -> Forms:
    return Forms(("no", "yes"), frozenset(["yes"]), values or {}, score_of, scale)


@pytest.mark.parametrize(
    ("said", "values", "label", "p"),
    [
        (Said("yes", (0.8,)), {}, "yes", 0.8),
        (Said(1, (0.8,)), {}, "yes", 0.8),
        (Said(1.0, ([0.2, 0.8],)), {}, "yes", 0.8),
        (Said(None, ({"yes": 0.8, "no": 0.2},)), {}, "yes", 0.8),
        (Said(True, ()), {"true": "yes", "false": "no"}, "yes", 1.0),
        (Said("POS", ([0.2, 0.8], 0.8)), {"POS": "yes", "NEG": "no"}, "yes", 0.8),
        (Said(0, ()), {}, "no", 0.3),
        (Said(0, ([0.8],)), {"0": "yes", "1": "no"}, "yes", 0.8),
    ],
)
def test_an_answer_is_read(said: Said, values: dict[str, str], label: str, p: float) -> None:
    answer = forms(values).answer(said, BESIDE)
    assert answer.label == label
    assert answer.favourable == (label == "yes")
    assert answer.scores["yes"] == pytest.approx(p)
    assert sum(answer.scores.values()) == pytest.approx(1)


def test_numbers_are_labels_before_they_are_places() -> None:
    numbers = Forms(("2", "1"), frozenset("1"), {}, "", "probabilities")
    assert numbers.label(1) == "1"
    assert numbers.label_as("2", 1) == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(True, ()), "LABEL_VALUES"),
        (Said("maybe", ()), "LABEL_VALUES"),
        (Said(2, ()), "LABEL_VALUES"),
        (Said(-1, ()), "LABEL_VALUES"),
        (Said(None, ()), "neither"),
        (Said(None, (0.4,)), "SCORE_OF"),
        (Said("yes", (7.0,)), "no probability"),
        (Said("yes", ("0.8",)), "no number"),
        (Said("yes", (True,)), "no number"),
        (Said("yes", ([0.1, 0.2, 0.7],)), "2 numbers"),
        (Said("yes", ([2.0, -1.0],)), "no probability"),
        (Said("yes", ([0.5, 0.1],)), "add up to 1"),
        (Said("yes", ({"yes": 0.5},)), "labels"),
        (Said([1], ()), "LABEL_VALUES"),
    ],
)
def test_what_is_no_answer_is_refused(said: Said, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        forms().answer(said, BESIDE)


@given(
    st.floats(0.01, 0.99),
    st.sampled_from(["yes", 1, 1.0, True]),
    st.sampled_from(["p", "list", "one", "object"]),
)
def test_what_is_written_is_read_again(p: float, like: Any, shape: str) -> None:
    both = forms({"true": "yes", "false": "no"})
    label = "yes" if p > 0.5 else "no"
    answer = Answer(label, {"no": 1 - p, "yes": p}, label == "yes")
    shapes: dict[str, Any] = {"p": 0.5, "list": [0.5, 0.5], "one": [0.5], "object": {"yes": 0.5, "no": 0.5}}
    said = Said(both.label_as(label, like), (both.scores_as(answer, shapes[shape]),))
    assert type(said.label) is type(like)
    assert type(said.scores[0]) is type(shapes[shape])
    again = both.answer(said, BESIDE)
    assert again.label == label
    assert again.scores == pytest.approx(answer.scores)


def test_logits_are_read_and_written() -> None:
    logits = forms(scale="logits")
    answer = logits.answer(Said(None, ([3.0, 1.0],)), BESIDE)
    assert answer.scores["no"] == pytest.approx(0.8808, abs=1e-4)
    written = logits.scores_as(answer, [3.0, 1.0])
    assert written[0] - written[1] == pytest.approx(2.0)


def test_three_labels_share_what_one_score_leaves() -> None:
    three = Forms(("a", "b", "c"), frozenset("a"), {}, "", "probabilities")
    answer = three.answer(Said("b", (0.6,)), {"a": 0.3, "b": 0.4, "c": 0.1})
    assert answer.scores == pytest.approx({"a": 0.3, "b": 0.6, "c": 0.1})


def test_offsets_move_the_servers_own_scores() -> None:
    before, after = Answer("no", {"no": 0.6, "yes": 0.4}, False), Answer("yes", {"no": 0.4, "yes": 0.6}, True)
    theirs = Answer("no", {"no": 0.9, "yes": 0.1}, False)
    got = moved(theirs, before, after, frozenset(["yes"]))
    assert got.scores["yes"] == pytest.approx((0.1 * 1.5) / (0.1 * 1.5 + 0.9 * 2 / 3))
    assert got.label == "no"
    assert moved(before, before, after, frozenset(["yes"])).scores == pytest.approx(after.scores)


def test_settings_name_labels_of_the_bundle() -> None:
    labels = recording.MANIFEST.labels
    two = forms_of(recording.MANIFEST, [f"true={labels[0]}"], "", "probabilities")
    assert two.label(False) == labels[1]
    for values, score_of in ((["true=other"], ""), (["true"], ""), ([], "other")):
        with pytest.raises(SettingsError, match=labels[0]):
            forms_of(recording.MANIFEST, values, score_of, "probabilities")
