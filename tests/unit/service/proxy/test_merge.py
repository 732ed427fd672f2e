"""A server's answer and the bundle's, joined."""

from dataclasses import replace
from typing import Any

import pytest

from evenhand.service.proxy.answers import Forms, Said
from evenhand.service.proxy.merge import RECENT, Comparison, Rules, join
from evenhand.service.types import Answer, Decision, Verdict

FORMS = Forms(("no", "yes"), frozenset(["yes"]), {}, "", "probabilities")


def answer(p: float) -> Answer:
    return Answer("yes" if p > 0.5 else "no", {"no": 1 - p, "yes": p}, p > 0.5)


def decision(base: float, final: float, corrected: bool = True) -> Decision:
    verdict = Verdict("sex", 0.9, corrected, "apply", "applied" if corrected else None)
    return Decision(answer(final), answer(base), None, corrected, (verdict,))


def rules(**changes: Any) -> Rules:
    return replace(Rules(FORMS, 0.01, True, False), **changes)


def test_a_closed_gate_keeps_the_servers_answer() -> None:
    joined = join(decision(0.4, 0.4, corrected=False), Said("no", ([0.601, 0.399],)), rules())
    assert joined.said is None
    assert joined.decision.base == joined.decision.final
    assert joined.decision.final.scores["yes"] == pytest.approx(0.399)
    assert joined.agreement == "same"


def test_an_open_gate_writes_the_bundles_answer() -> None:
    joined = join(decision(0.4, 0.7), Said("no", ([0.6, 0.4], 0.6)), rules())
    assert joined.said == Said("yes", (pytest.approx([0.3, 0.7]), pytest.approx(0.7)))
    assert (joined.decision.base.label, joined.decision.final.label) == ("no", "yes")
    assert joined.decision.corrected


def test_offsets_move_the_servers_scores_if_it_says_all() -> None:
    joined = join(decision(0.5, 0.6), Said("no", ([0.6, 0.4],)), rules(moves=True))
    assert joined.decision.final.scores["yes"] == pytest.approx(0.5)  # odds of 2/3, times 1.5
    only_label = join(decision(0.4, 0.6), Said("no", ()), rules(moves=True))
    assert only_label.said == Said("yes", ())


def test_a_label_that_stays_is_written_as_it_came() -> None:
    assert join(decision(0.4, 0.3), Said(0, (0.6,)), rules()).said == Said(0, (pytest.approx(0.7),))


@pytest.mark.parametrize(("said", "word"), [(Said("no", (0.6,)), "same"), (Said("no", (0.7,)), "score")])
def test_scores_are_compared(said: Said, word: str) -> None:
    assert join(decision(0.4, 0.4, corrected=False), said, rules()).agreement == word


def test_rows_of_another_label_are_corrected_unless_the_operator_says_no() -> None:
    row = decision(0.4, 0.7), Said("yes", (0.8,))
    assert join(*row, rules()).agreement == "label"
    assert join(*row, rules()).said is not None
    passed = join(*row, rules(corrects_always=False))
    assert passed.said is None
    assert not passed.decision.corrected
    assert passed.decision.final == passed.decision.base


def test_a_few_other_labels_are_no_other_model() -> None:
    comparison = Comparison()
    for _ in range(49):
        comparison.add("label")
    assert comparison.problem is None  # too few rows
    comparison.add("same")
    assert "49 of the last 50 rows" in (comparison.problem or "")
    for _ in range(RECENT):
        comparison.add("same")
    assert comparison.problem is None
    for _ in range(21):
        comparison.add("label")
    assert "21 of the last 1000 rows" in (comparison.problem or "")
