"""Figures where the answer is known by hand, and what a card says of them."""

from typing import Any

import numpy as np
import pytest

from evenhand.stats import wilson
from evenhand.training.generative.card import _pairs
from evenhand.training.generative.figures import compare, mean, neutral_drift
from evenhand.training.generative.pairs import Pair
from evenhand.training.generative.scores import Drift, Likelihoods


def answered(preferred: int, pairs: int, tokens: tuple[int, int] = (2, 2)) -> Likelihoods:
    """The preferred answer is the likelier one in the first few pairs."""
    likely = np.where(np.arange(pairs) < preferred, -1.0, -3.0)
    return Likelihoods(likely, np.full(pairs, -2.0), np.tile(tokens, (pairs, 1)))


def pairs_of(*groups: str | None) -> list[Pair]:
    return [Pair(f"prompt {number}", "yes", "no", group) for number, group in enumerate(groups)]


def test_rates_intervals_and_verdicts() -> None:
    found = compare(pairs_of(*[None] * 100), answered(20, 100), answered(70, 100))
    accuracy = found["preference_accuracy"]
    assert (accuracy["base"]["value"], accuracy["final"]["value"], accuracy["final"]["n"]) == (0.2, 0.7, 100)
    assert (accuracy["final"]["low"], accuracy["final"]["high"]) == pytest.approx(wilson(0.7, 100))
    assert accuracy["difference"]["mended"] == 50
    assert found["margin_rose"]["value"] == 0.5
    assert found["margin"]["change"]["value"] == pytest.approx(1.0)
    assert found["verdict"] == "preference accuracy rose"
    assert (
        compare(pairs_of(*[None] * 100), answered(70, 100), answered(20, 100))["verdict"]
        == "preference accuracy fell"
    )
    same = compare(pairs_of(*[None] * 100), answered(50, 100), answered(51, 100))
    assert same["verdict"] == "no evidence that preference accuracy changed"
    assert (
        compare(pairs_of(*[None] * 29), answered(0, 29), answered(29, 29))["verdict"] == "insufficient data"
    )
    assert (found["groups"], found["between_groups"]) == ({}, {"base": None, "final": None})


def test_a_tie_is_not_a_preference() -> None:
    tie = Likelihoods(np.full(40, -2.0), np.full(40, -2.0), np.ones((40, 2), int))
    assert compare(pairs_of(*[None] * 40), tie, tie)["preference_accuracy"]["final"]["value"] == 0.0


def test_length_counts_in_the_whole_and_not_per_token() -> None:
    """A long preferred answer loses as a whole and wins token by token."""
    long = Likelihoods(np.full(40, -6.0), np.full(40, -2.0), np.tile((6, 1), (40, 1)))
    found = compare(pairs_of(*[None] * 40), long, long)
    assert found["preference_accuracy"]["base"]["value"] == 0.0
    assert found["preference_accuracy_per_token"]["base"]["value"] == 1.0
    assert found["preferred_log_likelihood_per_token"]["base"]["value"] == -1.0


def test_groups_are_compared_where_they_are_large_enough() -> None:
    pairs = pairs_of(*["alpha"] * 40, *["beta"] * 60, *["gamma"] * 5)
    base = answered(30, 105)  # of alpha alone
    found = compare(pairs, base, answered(105, 105))
    between: dict[str, Any] = found["between_groups"]
    assert (between["base"]["highest"], between["base"]["lowest"]) == ("alpha", "beta")
    assert between["base"]["value"] == pytest.approx(0.75)
    assert between["base"]["low"] < 0.75 < between["base"]["high"]
    assert between["final"]["value"] == 0.0
    assert found["groups"]["gamma"]["verdict"] == "insufficient data"
    words = _pairs(found)
    assert "Largest difference between groups: base 75.0 points" in words
    assert "| gamma | 0.000 (0.000 to 0.434, n 5)" in words


def test_means_have_intervals_where_there_are_two_values() -> None:
    found = mean(np.array([1.0, 2.0, 3.0]))
    assert (found["n"], found["value"]) == (3, 2.0)
    assert (found["low"], found["high"]) == pytest.approx(
        (2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4
    )
    assert mean(np.array([1.0])) == {"n": 1, "value": 1.0, "low": None, "high": None}


def test_perplexity_is_over_all_scored_tokens() -> None:
    """Two prompts of three and one token: two tokens are scored, four positions compared."""
    drift = Drift(np.array([2.0, 0.0]), np.array([4.0, 0.0]), np.array([0.3, 0.1]), np.array([3, 1]))
    found = neutral_drift(drift)
    assert found["perplexity"] == {"base": pytest.approx(np.e), "final": pytest.approx(np.e**2)}
    assert found["kl_per_position"] == pytest.approx(0.1)
    assert found["kl_per_prompt"]["value"] == pytest.approx(0.2)
