"""Held-out prompts are never learnt from, and a row that cannot be used is counted, not lost."""

import json
from pathlib import Path

import pytest

from evenhand.training.data.dataset import DataError
from evenhand.training.generative.pairs import PairColumns, read_neutral, read_pairs


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pair(prompt: str, preferred: str = "yes", dispreferred: str = "no", **more: str) -> dict[str, object]:
    return {"prompt": prompt, "preferred": preferred, "dispreferred": dispreferred, **more}


def test_a_prompt_is_learnt_from_or_held_out_whatever_the_order_of_rows(tmp_path: Path) -> None:
    rows = [pair(f"prompt {number // 2}", f"yes {number}") for number in range(40)]
    pairs = read_pairs(write(tmp_path / "pairs.jsonl", *rows), PairColumns(), 0.3, seed=0)
    learn, held = {one.prompt for one in pairs.learn}, {one.prompt for one in pairs.held_out}
    assert learn & held == set()
    assert (len(learn), len(held)) == (14, 6)
    assert (len(pairs.learn), len(pairs.held_out)) == (28, 12)
    turned = read_pairs(write(tmp_path / "turned.jsonl", *reversed(rows)), PairColumns(), 0.3, seed=0)
    assert {one.prompt for one in turned.held_out} == held
    other = read_pairs(write(tmp_path / "pairs.jsonl", *rows), PairColumns(), 0.3, seed=1)
    assert {one.prompt for one in other.held_out} != held


def test_a_column_may_say_which_rows_are_held_out(tmp_path: Path) -> None:
    rows = [
        pair("a", split="train"),
        pair("b", split="train"),
        pair("c", split="test"),
        pair("d", split="later"),
    ]
    pairs = read_pairs(write(tmp_path / "pairs.jsonl", *rows), PairColumns(split="split"), 0.9, seed=0)
    assert [one.prompt for one in pairs.learn] == ["a", "b"]
    assert [one.prompt for one in pairs.held_out] == ["c"]
    assert pairs.source.left_out == {"split is neither train nor test": 1}


def test_a_prompt_in_both_parts_is_refused(tmp_path: Path) -> None:
    rows = [pair("a", split="train"), pair("b", split="train"), pair("a", split="test")]
    with pytest.raises(
        DataError, match="1 prompts are in both train and test; give each prompt to one of them"
    ):
        read_pairs(write(tmp_path / "pairs.jsonl", *rows), PairColumns(split="split"), 0.2, seed=0)


def test_rows_that_cannot_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pairs.jsonl",
        *(pair(f"prompt {number}") for number in range(5)),
        pair("same", "yes", "yes"),
        pair("blank", " "),
        {"prompt": "no answer", "preferred": "yes"},
    )
    with path.open("ab") as file:
        file.write(b'{"prompt": "\xff", "preferred": "yes", "dispreferred": "no"}\nnot json\n')
    pairs = read_pairs(path, PairColumns(), 0.2, seed=0)
    assert len(pairs.learn) + len(pairs.held_out) == 5
    assert pairs.source.rows == 10
    assert pairs.source.left_out == {
        "not UTF-8": 1,
        "not readable as JSON": 1,
        "both answers are the same": 1,
        "prompt or answer empty": 2,
    }


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", pair("a"), pair("b"))
    with pytest.raises(DataError, match="no column 'chosen'; it has prompt, preferred, dispreferred"):
        read_pairs(path, PairColumns(preferred="chosen"), 0.2, seed=0)
    with pytest.raises(DataError, match="1 pairs to learn from and 1 held out; at least 2 and 1 are needed"):
        read_pairs(path, PairColumns(), 0.2, seed=0)


def test_neutral_prompts_are_shared_out_once_each(tmp_path: Path) -> None:
    rows = [{"prompt": f"text {number % 10}"} for number in range(12)] + [{"prompt": ""}]
    prompts = read_neutral(write(tmp_path / "neutral.jsonl", *rows), "prompt", 0.3, seed=0)
    assert (len(prompts.learn), len(prompts.held_out)) == (7, 3)
    assert len({*prompts.learn, *prompts.held_out}) == 10
    assert prompts.source.left_out == {"empty or seen before": 3}
