"""Recipes read their data as documented."""

import json
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from evenhand.training.data.dataset import DataError
from evenhand.training.recipes import adult, celeba, multinli, nli
from evenhand.training.recipes.hatexplain import COMMUNITIES, group, read, table


def post(
    split: str | None, majority: str, targets: list[str], exact: list[str] | None = None
) -> dict[str, object]:
    fields = {"split": split, "text": f"{split} {majority}", "majority": majority, "targets": targets}
    return fields if exact is None else {**fields, "targets_majority": exact}


def test_training_rows_use_the_weak_flag_and_others_the_majority() -> None:
    posts = [
        post("train", "normal", ["African", "Women"]),
        post("train", "hatespeech", ["African", "Arab"]),
        post("val", "offensive", ["African"], ["None"]),
        post("test", "normal", [], ["Jewish"]),
        post(None, "undecided", ["Men"]),
    ]
    posts_table = table("posts", "\n".join(map(json.dumps, posts)).encode())
    assert posts_table["label"].tolist()[:4] == ["not toxic", "toxic", "toxic", "not toxic"]
    assert posts_table["race"].tolist() == ["African", "multiple", "none", "none", "none"]
    assert posts_table["gender"].tolist() == ["Women", "none", "none", "none", "none"]
    assert posts_table["religion"][3] == "Jewish"
    assert posts_table["split"].tolist() == ["train", "train", "val", "test", "undecided"]


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


ADULT = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Sales, Own-child, White, Male, "
    "2174, 0, 40, Cuba, <=50K"
)


def adult_lines(rows: int, dot: str = "") -> str:
    lines = []
    for index in range(rows):
        line = ADULT.replace("39,", f"{20 + index % 50},", 1)
        line = line.replace("<=50K", ">50K") if index % 3 == 0 else line
        line = line.replace("Male", "Female") if index % 2 == 0 else line
        line = line.replace("White", "Black") if index % 5 == 0 else line
        lines.append(line.replace("Sales", "?") + dot if index % 7 == 0 else line + dot)
    return "\n".join(lines) + "\n"


def test_adult_reads_both_files_and_learns_from_neither_sex_nor_its_stand_ins(tmp_path: Path) -> None:
    (tmp_path / "adult.data").write_text("age, workclass\n" + adult_lines(400))
    (tmp_path / "adult.test").write_text("|1x3 Cross validator\n" + adult_lines(100, "."))
    rows, schema, digest = adult.read(tmp_path)
    assert schema.labels == ("<=50K", ">50K")
    assert schema.favourable == (">50K",)
    assert [groups[0] for groups in schema.groups.values()] == ["Male", "White"]
    assert len(rows.of("test")) == 100
    assert 40 < len(rows.of("val")) < 120
    assert not {"sex", "race", "relationship", "marital-status", "fnlwgt"} & set(rows.items[0])
    assert rows.items[0]["occupation"] is None
    assert rows.items[0]["age"] == 20.0
    assert len(digest) == 64


def test_nli_finds_the_negation_word(tmp_path: Path) -> None:
    pairs = [("A man runs.", "Nobody runs.", "contradiction"), ("A man runs.", "He moves.", "entailment")]
    pairs.append(('A "man" runs.', "He isn't tall.", "neutral"))
    for name in ("train", "dev", "test"):
        lines = ["sentence1\tsentence2\tgold_label", *("\t".join(pair) for pair in pairs)]
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    rows, schema, _ = nli.read(tmp_path)
    assert schema.labels == ("contradiction", "entailment", "neutral")
    assert rows.groups["negation"].tolist() == [1, 0, 1] * 3
    assert rows.items[2] == {"text": 'A "man" runs.', "text_pair": "He isn't tall."}
    assert nli.negation("Knots and nothings") == "plain"


def test_multinli_halves_the_development_pairs(tmp_path: Path) -> None:
    labels = ("contradiction", "entailment", "neutral", "-")
    pairs = [
        {"sentence1": "a", "sentence2": f"{'no' if i % 2 else 'yes'} b", "gold_label": labels[i // 2 % 4]}
        for i in range(32)
    ]
    for name in multinli.FILES.values():
        (tmp_path / name).write_text("\n".join(map(json.dumps, pairs)))
    rows, schema, _ = multinli.read(tmp_path)
    assert len(rows.of("train")) == 24
    assert len(rows.of("val")) == len(rows.of("test")) == 12
    assert schema.groups == {"negation": ("plain", "negated")}


def test_celeba_reads_both_lists_and_skips_lost_images(tmp_path: Path) -> None:
    (tmp_path / "img_align_celeba").mkdir()
    listed, parts = [], []
    for index in range(24):
        name = f"{index:06}.jpg"
        if index != 5:
            Image.new("RGB", (20, 24)).save(tmp_path / "img_align_celeba" / name)
        listed.append(f"{name} {1 if index % 2 else -1} {1 if index % 3 else -1}")
        parts.append(f"{name} {index // 8}")
    (tmp_path / "list_attr_celeba.txt").write_text("24\nBlond_Hair Male\n" + "\n".join(listed))
    (tmp_path / "list_eval_partition.txt").write_text("\n".join(parts))
    rows, schema, _ = celeba.read(tmp_path)
    assert schema.labels == ("no", "yes")
    assert len(rows) == 23
    assert [len(rows.of(split)) for split in ("train", "val", "test")] == [7, 8, 8]


@pytest.mark.parametrize("recipe", [adult, nli, multinli, celeba])
def test_an_empty_folder_is_refused_by_name(tmp_path: Path, recipe: ModuleType) -> None:
    with pytest.raises(DataError, match=tmp_path.name):
        recipe.read(tmp_path)
