"""Recipes read their data as documented."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from PIL import Image
from places import ROOT
from transformers import AutoModelForImageClassification

from evenhand.models.network.backbones import family_of
from evenhand.training.choice.aim import target_of
from evenhand.training.data.attributes import with_intersections
from evenhand.training.data.dataset import DataError
from evenhand.training.data.image_file import image_json
from evenhand.training.fit.method_options import check
from evenhand.training.recipes import (
    adult,
    celeba,
    census,
    diabetes,
    faces,
    multinli,
    negation,
    nli,
    professions,
    speech,
    workers,
)
from evenhand.training.recipes.common import limited
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


TABLES = (census, workers, diabetes)
NEW = (speech, *TABLES, professions, negation, faces)

DATA = Path(os.environ.get("EVENHAND_DATA", ROOT.parent / "shared/data"))


def skip_without(name: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here; set EVENHAND_DATA to the folder that holds it")


def put(folder: Path, name: str, table: pd.DataFrame) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    table.to_parquet(folder / name)


def labelled(values: Mapping[str, Sequence[object]], labels: Sequence[str], rows: int = 72) -> pd.DataFrame:
    """Rows with every label, value and split beside every other one."""
    columns = {name: [of[index // 12 % len(of)] for index in range(rows)] for name, of in values.items()}
    return pd.DataFrame(columns).assign(
        label=[labels[index % len(labels)] for index in range(rows)],
        split=[("train", "val", "test")[index // 4 % 3] for index in range(rows)],
    )


def write_speech(folder: Path) -> None:
    said = ["we welcome muslims, gays and black women", "a wheelchair ramp", "nice weather", "go away"]
    posts = [f"{text} {number}" for number in range(9) for text in said]
    hateful = [speech.HATE if "away" in text else speech.NOT_HATE for text in posts]
    splits = [("train", "val", "test")[index // 4 % 3] for index in range(36)]
    for name, end in (("dynahate", ""), ("mhs_binary", " too"), ("ghc", " now")):
        texts = [text + end for text in posts]
        table = pd.DataFrame({"text": texts, "label": hateful, "split": splits})
        put(folder, f"{name}/{name}.parquet", table)
    (folder / "hatexplain").mkdir()
    majority = ("normal", "hatespeech", "offensive")
    lines = [
        {"text": text, "majority": majority[index % 3], "split": None if index == 5 else splits[index]}
        # The first post is also one of dynahate, in capitals.
        for index, text in enumerate([posts[0].upper(), *(f"{text} here" for text in posts[1:])])
    ]
    (folder / "hatexplain" / "hatexplain.jsonl").write_text("\n".join(map(json.dumps, lines)))


def test_speech_joins_three_collections_and_keeps_each_text_once(tmp_path: Path) -> None:
    write_speech(tmp_path)
    rows, schema, _ = speech.read(tmp_path)
    assert schema.labels == ("hate", "not hate")
    assert schema.favourable == ("not hate",)
    assert [groups[0] for groups in schema.groups.values()] == ["not mentioned"] * 5
    assert len(rows) == 3 * 36 - 2  # without the repeated post and the one without a majority
    at = rows.items.index("a wheelchair ramp 0")
    assert [rows.groups[name][at] for name in speech.ATTRIBUTES] == [1, 0, 0, 0, 0]
    assert rows.labels[rows.items.index("we welcome muslims, gays and black women 6 here")] == 1
    assert rows.labels[rows.items.index("a wheelchair ramp 0 here")] == 0
    assert "a wheelchair ramp 1 here" not in rows.items


def test_speech_never_learns_from_ghc(tmp_path: Path) -> None:
    write_speech(tmp_path)
    learnt_from, _, _ = speech.read(tmp_path)
    rows, _, _ = speech.read_ghc(tmp_path)
    assert len(rows) == 36
    assert not set(rows.items) & set(learnt_from.items)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Our neighbours are Muslims", {"any_group", "religion"}),
        ("two women at a black-owned shop", {"any_group", "gender", "race"}),
        ("a refugee family", {"any_group"}),
        ("the jewellery transfers", set()),
    ],
)
def test_a_mention_is_a_whole_word(text: str, names: set[str]) -> None:
    flags = speech.mentions(text)
    assert {name for name, flag in flags.items() if flag == "mentioned"} == names


def test_census_says_codes_in_words_and_hides_salary_sex_and_race(tmp_path: Path) -> None:
    values: dict[str, Sequence[object]] = {
        **{name: [1, 2] for name in census.FEATURES},
        "citizenship": [1, 4],
        "occupation": ["25-2020", "99-1000"],
        "industry": ["6111", "3MS"],
        "economic_region": ["Plains"],
        "sex": ["male", "female", "female"],
        "race2": ["white", "nonwhite", "white", "white"],
        "hispanic_origin": ["no", "no", "no", "no", "yes"],
        "salary": [51_000],
    }
    put(tmp_path, census.FILES["staff"], labelled(values, ("over 50K", "up to 50K")))
    rows, schema, _ = census.read(tmp_path)
    assert schema.favourable == ("over 50K",)
    assert not {"sex", "race", "race2", "hispanic_origin", "salary", "label"} & set(rows.items[0])
    assert [rows.items[0][name] for name in ("citizenship", "occupation", "industry")] == [
        "born in the United States",
        "education",
        "education",
    ]
    assert [rows.items[12][name] for name in ("citizenship", "occupation", "industry")] == [
        "naturalised",
        "other",
        "other",
    ]


@pytest.mark.parametrize(
    ("recipe", "labels", "attributes", "code"),
    [
        (
            workers,
            ("over 50K", "up to 50K"),
            {"sex": ["Male", "Female"], "race2": ["white", "nonwhite"]},
            "own_business",
        ),
        (diabetes, ("no", "yes"), {"gender": ["Male", "Female"]}, "admission_type_id"),
    ],
)
def test_codes_are_categories_and_attributes_no_features(
    tmp_path: Path, recipe: ModuleType, labels: Sequence[str], attributes: dict[str, list[str]], code: str
) -> None:
    values = {**{name: ["1", "2", "3"] for name in recipe.FEATURES}, **attributes}
    put(tmp_path, next(iter(recipe.FILES.values())), labelled(values, labels))
    rows, _, _ = recipe.read(tmp_path)
    assert rows.items[0][code] == "code 1"
    assert tuple(rows.items[0]) == recipe.FEATURES
    assert not set(attributes) & set(recipe.FEATURES)


def test_professions_and_negation_read_their_tables(tmp_path: Path) -> None:
    labels = (*professions.FAVOURABLE, "nurse", "singer", "writer", "artist", "friend", "student", "teacher")
    sentences = labelled({"text": ["[MASK] says so"], "gender": ["male", "female"]}, labels, rows=432)
    sentences["split"] = [
        "train" if index < 144 else "val" if index < 288 else "test" for index in range(432)
    ]
    put(tmp_path, professions.FILES["sentences"], sentences)
    rows, schema, _ = professions.read(tmp_path)
    assert (len(rows), len(schema.labels)) == (432, 12)
    pairs = labelled(
        {"premise": ["a"], "hypothesis": ["b"], "negation": ["plain", "negated"]}, nli.LABELS, rows=144
    )
    put(tmp_path, negation.FILES["pairs"], pairs)
    rows, schema, _ = negation.read(tmp_path)
    assert schema.groups == {"negation": ("plain", "negated")}
    assert rows.items[0] == {"text": "a", "text_pair": "b"}


def test_faces_are_written_to_files_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "JPEG")
    table = labelled({"race": ["White", "Black"]}, ("Female", "Male"))
    table = table.rename(columns={"label": "gender"}).assign(
        file=[f"{index}.jpg" for index in range(72)], image=[content.getvalue()] * 72
    )
    put(tmp_path, faces.FILES["faces"], table)
    rows, _, _ = faces.read(tmp_path)
    assert len(rows) == len(list(faces.IMAGES.iterdir())) == 72
    written = rows.items[0].stat().st_mtime_ns
    again, _, _ = faces.read(tmp_path)
    assert again.items[0].stat().st_mtime_ns == written


def test_the_base_of_faces_is_small_and_always_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = Path(faces.packaged_base())
    first = (base / "model.safetensors").read_bytes()
    faces.packaged_base()
    assert (base / "model.safetensors").read_bytes() == first
    assert len(first) < 20_000_000
    assert json.loads(image_json(str(base)))["size"] == faces.SIDE
    assert family_of(AutoModelForImageClassification.from_pretrained(base), "image").maps


def test_limits_are_given_in_points() -> None:
    target = speech.config("", 0).correction.target
    assert limited(target, None, None) == target
    changed = limited(target, 1.0, 100.0)
    assert (changed.max_loss, changed.max_cell_loss, changed.measures) == (0.01, None, target.measures)
    assert limited(target, None, 8.0).max_cell_loss == pytest.approx(0.08)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [recipe for recipe in NEW if recipe is not faces])  # writes 45,000 files
def test_a_recipe_aims_at_what_its_data_holds(recipe: ModuleType) -> None:
    for name in recipe.FILES.values():
        skip_without(name)
    rows, schema, _ = recipe.read(DATA)
    config = recipe.config("", 0)
    check(config)
    _, schema = with_intersections(rows, schema, config.columns.intersections)
    assert target_of(schema, config.correction).attributes


def test_the_word_lists_are_those_that_the_data_was_made_with() -> None:
    skip_without(speech.FILES["dynahate"])
    table = pd.read_parquet(DATA / speech.FILES["dynahate"]).sample(2000, random_state=0)
    flags = pd.DataFrame([speech.mentions(text) for text in table["text"]], index=table.index)
    assert flags.eq(table[list(speech.ATTRIBUTES)]).all(axis=None)


@pytest.mark.parametrize("recipe", [adult, nli, multinli, celeba, *NEW])
def test_an_empty_folder_is_refused_by_name(tmp_path: Path, recipe: ModuleType) -> None:
    with pytest.raises(DataError, match=tmp_path.name):
        recipe.read(tmp_path)
