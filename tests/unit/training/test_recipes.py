"""Recipes read their data as documented."""

import json
from pathlib import Path

import pytest

from training.data import DataError
from training.recipes.hatexplain import COMMUNITIES, group, read, table


def post(split: str | None, majority: str, targets: list[str], exact: list[str] | None = None) -> dict[str, object]:
    found = {"split": split, "text": f"{split} {majority}", "majority": majority, "targets": targets}
    return found if exact is None else {**found, "targets_majority": exact}


def test_training_rows_use_the_weak_flag_and_others_the_majority(tmp_path: Path) -> None:
    posts = [
        post("train", "normal", ["African", "Women"]),
        post("train", "hatespeech", ["African", "Arab"]),
        post("val", "offensive", ["African"], ["None"]),
        post("test", "normal", [], ["Jewish"]),
        post(None, "undecided", ["Men"]),
    ]
    file = tmp_path / "hatexplain.jsonl"
    file.write_text("\n".join(map(json.dumps, posts)))
    found = table(file)
    assert found["label"].tolist()[:4] == ["not toxic", "toxic", "toxic", "not toxic"]
    assert found["race"].tolist() == ["African", "multiple", "none", "none", "none"]
    assert found["gender"].tolist() == ["Women", "none", "none", "none", "none"]
    assert found["religion"][3] == "Jewish"
    assert found["split"].tolist() == ["train", "train", "val", "test", "undecided"]


def test_a_group_is_one_several_or_none() -> None:
    race = COMMUNITIES["race"]
    assert group([], race) == group(["None", "Women"], race) == "none"
    assert group(["Arab", "Women"], race) == "Arab"
    assert group(["Arab", "Asian"], race) == "multiple"


@pytest.mark.parametrize("content", [None, "{", '{"text": 1}'])
def test_other_files_are_refused_by_name(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "hatexplain.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"hatexplain\.jsonl"):
        read(tmp_path)
