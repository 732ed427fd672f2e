"""The report on sentences that a visitor would type: its form, not what a bundle has learnt."""

import re
from collections import Counter
from pathlib import Path

import pytest

from bench.visitors import COUNTS, HARMLESS, HATEFUL, NEUTRAL, Answered, answer, count, main
from evenhand.models.bundle.bundle import load
from evenhand.training.recipes.speech import mentions


def test_every_sentence_is_answered_and_counted_once(demo: Path) -> None:
    answers = answer(load(demo))
    assert Counter(each.kind for each in answers) == {HARMLESS: 20, HATEFUL: 14, NEUTRAL: 6}
    assert len({each.text for each in answers}) == 40
    assert [line.rows for line in count(answers)] == [20, 14, 6]


def test_hateful_and_harmless_ones_name_a_group_and_neutral_ones_none(demo: Path) -> None:
    for each in answer(load(demo)):
        said = mentions(each.text)["any_group"]
        assert (said == "mentioned") == (each.kind != NEUTRAL), each.text


def test_counts_are_of_answers_before_and_after() -> None:
    answers = [
        Answered(HARMLESS, "a", base=True, served=False),
        Answered(HARMLESS, "b", base=True, served=True),
        Answered(HATEFUL, "c", base=True, served=True),
    ]
    assert [str(line) for line in count(answers)] == [
        "harmless, wrongly called hateful: 2 -> 1 of 2",
        "hateful, caught: 1 -> 1 of 1",
        "neutral, wrongly called hateful: 0 -> 0 of 0",
    ]


def test_the_report_lists_sentences_and_ends_with_counts(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["visitors", str(demo), "--list"])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 43
    assert all(
        re.fullmatch(rf"{words}: \d+ -> \d+ of \d+", line)
        for words, line in zip(COUNTS.values(), lines[-3:], strict=True)
    )
