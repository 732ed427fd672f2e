"""Tables become rows; what cannot be learnt from is refused by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_kinds import column_table
from tiny_model import tiny_table

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import UNKNOWN, DataError, from_table, read

GOOD = ("positive",)
COLUMNS = Columns("text", "label", ("team", "colour"), "split", {"team": "none"}, favourable=GOOD)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_format_reads_the_same(tmp_path: Path, suffix: str) -> None:
    table, file = tiny_table(100), tmp_path / f"data.{suffix}"
    if suffix == "csv":
        table.to_csv(file, index=False)
    elif suffix == "jsonl":
        table.to_json(file, orient="records", lines=True)
    else:
        table.to_parquet(file)
    rows, schema, digest = read(str(file), COLUMNS, seed=0)
    expected, _ = from_table(table, COLUMNS, seed=0)
    assert len(digest) == 64
    assert schema.labels == ("negative", "positive")
    assert schema.groups["team"][0] == "none"
    assert schema.groups["colour"] == ("plain", "red")
    assert rows.items == expected.items
    assert np.array_equal(rows.groups["team"], expected.groups["team"])


def test_missing_groups_are_unknown_and_missing_texts_left_out() -> None:
    table = tiny_table(100)
    table.loc[0, "team"] = None
    table.loc[1, "team"] = ""
    table.loc[2, "text"] = "  "
    table.loc[3, "label"] = None
    table.loc[4, "split"] = "undecided"
    rows, _ = from_table(table, COLUMNS, seed=0)
    assert len(rows) == 97
    assert rows.row[:3].tolist() == [0, 1, 5]
    assert rows.groups["team"][:2].tolist() == [UNKNOWN, UNKNOWN]
    assert rows.groups["colour"][0] != UNKNOWN
    assert rows.left_out == {"no text": 1, "no label": 1, "split is undecided": 1}


def test_rows_are_split_by_label_with_the_seed() -> None:
    columns = Columns("text", "label", ("team",), favourable=GOOD)
    table = tiny_table(400)
    one, two = (from_table(table, columns, seed)[0] for seed in (1, 1))
    other = from_table(table, columns, 2)[0]
    assert np.array_equal(one.split, two.split)
    assert not np.array_equal(one.split, other.split)
    shares = {split: len(one.of(split)) / len(one) for split in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.7, "val": 0.15, "test": 0.15}, abs=0.01)
    positives = [one.labels[one.of(split)].mean() for split in shares]
    assert max(positives) - min(positives) < 0.02


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (Columns("words", "label", ("team",), favourable=GOOD), "no column words; it has text, label"),
        (
            Columns("text", "label", ("team",), "split", {"team": "gamma"}, favourable=GOOD),
            "attribute 'team' has no group 'gamma'; name one of .* with --reference",
        ),
        (Columns("text", "label", ("team",), "split", favourable=("neither",)), "favourable labels"),
        (Columns("text", "label", ("team",), "split", favourable=("positive", "negative")), "some, not all"),
        (Columns("text", "label", ("team",), "label", favourable=GOOD), "no row has an input"),
        (Columns("text", "label", ("label",), favourable=GOOD), "label: it is the label, and cannot be an"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path, columns: Columns, why: str) -> None:
    file = tmp_path / "data.csv"
    tiny_table(100).to_csv(file, index=False)
    with pytest.raises(DataError, match=why):
        read(str(file), columns, seed=0)


def test_a_split_without_rows_is_named() -> None:
    table = tiny_table(100)
    table = table[table["split"] != "val"]
    with pytest.raises(DataError, match="split 'val' has 0 rows"):
        from_table(table, COLUMNS, seed=0)


def test_splits_of_another_name_are_named() -> None:
    table = tiny_table(100).replace({"split": {"val": "later"}})
    with pytest.raises(DataError, match=r"split 'val' has 0 rows .*\(20 rows left out: split is later\)"):
        from_table(table, COLUMNS, seed=0)
    table["split"] = [
        f"{place:02}" if split == "later" else split for place, split in enumerate(table["split"])
    ]
    with pytest.raises(DataError, match="20 rows left out: split is no split"):
        from_table(table, COLUMNS, seed=0)


def test_the_label_that_is_good_for_the_person_is_never_guessed() -> None:
    columns = Columns("text", "label", ("team",), "split")
    with pytest.raises(DataError) as refused:
        from_table(tiny_table(100), columns, seed=0)
    assert str(refused.value) == (
        "which label is good for the person? column label holds negative, positive\n"
        "name it with --favourable <label>"
    )
    many = tiny_table(100).assign(label=[f"label {row:03}" for row in range(100)])
    with pytest.raises(DataError, match=r"label 000, label 001, .*label 019, \.\.\.\n"):
        from_table(many, columns, seed=0)


def test_a_table_is_learnt_from_columns_that_may_be_learnt_from() -> None:
    table = column_table(200).assign(id=range(200))
    columns = Columns("", "income", ("sex",), "split", task="table", favourable=(">50K",))
    rows, schema = from_table(table, columns, seed=0)
    assert list(rows.items[0]) == ["hours", "school", "job"]
    roles = {of.name: of.role for of in schema.columns}
    assert list(roles) == list(table.columns)
    assert (roles["sex"], roles["income"], roles["split"], roles["id"]) == (
        *("attribute", "label", "split", "dropped"),
    )
    rows, _ = from_table(table, replace(columns, features=("id", "sex")), seed=0)
    assert rows.items[1] == {"id": 1.0, "sex": table["sex"][1]}


@pytest.mark.parametrize(
    ("features", "why"),
    [
        (("hours", "absent"), "the table has no column absent; it has hours, school"),
        (("income",), "--feature income: it is the label or the split, and cannot be learnt from"),
        (("split",), "--feature split: it is the label or the split"),
        (("hours", "hours"), "--feature hours: name it once"),
    ],
)
def test_features_that_cannot_be_are_refused(features: tuple[str, ...], why: str) -> None:
    columns = Columns("", "income", ("sex",), "split", task="table", favourable=(">50K",), features=features)
    with pytest.raises(DataError, match=why):
        from_table(column_table(100), columns, seed=0)


def test_a_table_of_identifiers_alone_has_nothing_to_learn_from() -> None:
    table = column_table(100)[["income", "sex", "split"]].assign(id=range(100))
    columns = Columns("", "income", ("sex",), "split", task="table", favourable=(">50K",))
    with pytest.raises(DataError, match=r"no column is left to learn from \(id: names rows: 100 values"):
        from_table(table, columns, seed=0)


def test_one_label_is_no_classifier(tmp_path: Path) -> None:
    table = tiny_table(100)
    table["label"] = "same"
    with pytest.raises(DataError):
        from_table(table, COLUMNS, seed=0)


def test_too_few_rows_to_split_ask_for_a_column() -> None:
    with pytest.raises(DataError, match="--split"):
        from_table(
            pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"], "team": ["p", "q"]}),
            Columns("text", "label", ("team",), favourable=("x",)),
            0,
        )


@pytest.mark.parametrize("name", ["data.txt", "missing.csv", "missing.parquet", "missing.jsonl"])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.txt").write_text("x")
    with pytest.raises(DataError, match=name):
        read(str(tmp_path / name), COLUMNS, 0)


@pytest.mark.parametrize("mark", ["?", "N/A", "NULL", "None", "NaN", "unknown"])
def test_a_mark_of_a_missing_value_is_no_group_and_is_said(mark: str) -> None:
    table = tiny_table(200)
    table.loc[:119, "colour"] = mark
    rows, schema = from_table(table, COLUMNS, seed=0)
    assert schema.groups["colour"] == ("plain", "red")
    assert (rows.groups["colour"] == UNKNOWN).sum() == 120
    (colour,) = (of for of in schema.columns if of.name == "colour")
    assert colour.note == f"read as missing: {mark!r} (120 rows)"
    assert colour.missing == pytest.approx(0.6)


def test_a_reference_is_a_group_whatever_it_is_called() -> None:
    table = tiny_table(200).replace({"team": {"none": "N/A"}})
    rows, schema = from_table(table, replace(COLUMNS, references={"team": "N/A"}), seed=0)
    assert schema.groups["team"][0] == "N/A"
    assert (rows.groups["team"] != UNKNOWN).all()


def test_spellings_that_look_alike_are_one_group_and_case_is_pointed_out() -> None:
    table = tiny_table(300)
    table["colour"] = ["f\u00e9minin", "fe\u0301minin ", "masculin"] * 100
    table["team"] = ["Alpha", "alpha", "none"] * 100
    rows, schema = from_table(table, COLUMNS, seed=0)
    assert schema.groups["colour"] == ("f\u00e9minin", "masculin")
    assert (rows.groups["colour"] == 0).sum() == 200
    notes = {of.name: of.note for of in schema.columns}
    assert notes["colour"] == "several spellings are one value: 'f\u00e9minin'"
    assert notes["team"] == "'none' is a value; 'Alpha' and 'alpha' are different values"


def test_codes_of_labels_and_groups_with_gaps_stay_whole_numbers() -> None:
    table = tiny_table(200)
    table["label"] = (table["label"] == "positive").astype(float)
    table["team"] = table["team"].map({"none": 1.0, "alpha": 2.0})
    table.loc[0, "label"] = None
    columns = replace(COLUMNS, references={"team": "1"}, favourable=("1",))
    rows, schema = from_table(table, columns, seed=0)
    assert (schema.labels, schema.groups["team"]) == (("0", "1"), ("1", "2"))
    assert rows.left_out == {"no label": 1}
    assert rows.first_left_out == {"no label": 1}


def test_names_of_columns_may_be_composed_or_not() -> None:
    table = tiny_table(100).rename(columns={"colour": "coule\u0301e"})
    columns = replace(COLUMNS, attributes=("team", "coul\u00e9e"))
    with pytest.raises(DataError, match="'coul\u00e9e' cannot be a name in a bundle"):
        from_table(table, columns, seed=0)
    labelled = tiny_table(100).rename(columns={"label": "ve\u0301rite\u0301"})
    rows, _ = from_table(labelled, replace(COLUMNS, label="v\u00e9rit\u00e9"), seed=0)
    assert len(rows) == 100


def test_a_category_that_is_named_is_a_feature_beside_the_others() -> None:
    table = column_table(200).assign(zone=[str(row % 3) for row in range(200)], id=range(200))
    columns = Columns("", "income", ("sex",), "split", task="table", favourable=(">50K",))
    rows, _ = from_table(table, replace(columns, categories=("zone", "id")), seed=0)
    assert list(rows.items[0]) == ["hours", "school", "job", "zone", "id"]
    assert rows.items[1]["zone"] == "1"
    with pytest.raises(DataError, match="--category income: it is the label or the split"):
        from_table(table, replace(columns, categories=("income",)), seed=0)


def test_an_attribute_of_one_group_says_to_leave_it_out() -> None:
    table = tiny_table(100).assign(team="alpha")
    with pytest.raises(DataError, match=r"'team' needs two groups.*\['alpha'\]; leave it out"):
        from_table(table, Columns("text", "label", ("team",), "split", favourable=GOOD), seed=0)


AGES = ("0-24", "25-39", "40+")
AGED = Columns("", "hired", ("age",), favourable=("yes",), task="table", ranges={"age": AGES})


def aged(ages: list[object]) -> pd.DataFrame:
    """Rows that declare an age, beside a feature and a label that do not say it."""
    rows = np.arange(len(ages))
    hired = np.where(rows % 2, "yes", "no")
    return pd.DataFrame({"age": ages, "hours": rows % 7 * 1.5, "hired": hired})


def test_a_number_with_declared_ranges_has_them_as_groups() -> None:
    ages: list[object] = [*range(90), "31.5", "25-39", "-1", "old", None, "nan", "inf"] * 2
    rows, schema = from_table(aged(ages), AGED, seed=0)
    reference, *others = schema.groups["age"]
    assert reference == "40+"  # the most frequent one
    assert {reference, *others} == {*AGES}
    codes = dict(zip(rows.row.tolist(), rows.groups["age"].tolist(), strict=True))
    named = [None if codes[place] == UNKNOWN else schema.groups["age"][codes[place]] for place in range(97)]
    assert named[:90] == [AGES[int(age >= 25) + int(age >= 40)] for age in range(90)]
    assert named[90:] == ["25-39", "25-39", None, None, None, None, None]
    (role,) = (role for role in schema.columns if role.name == "age")
    assert role.note == "ranges 0-24, 25-39, 40+; 6 values are in none of them: unknown"


def test_a_range_can_be_the_reference() -> None:
    named = replace(AGED, references={"age": "25-39"})
    assert from_table(aged([*range(90)] * 2), named, seed=0)[1].groups["age"][0] == "25-39"


def test_a_number_with_many_values_needs_ranges() -> None:
    with pytest.raises(DataError) as refused:
        from_table(aged([*range(90)] * 2), replace(AGED, ranges={}), seed=0)
    assert str(refused.value) == (
        "attribute 'age' is a number with 90 values (0 to 89), which are no groups\n"
        "say which ranges are, such as --ranges age=0-21,22-44,45-66,67+"
    )


@pytest.mark.parametrize("label", [np.arange(400) * 1.0, np.arange(400) % 40 / 8])
def test_a_quantity_is_no_label(label: np.ndarray) -> None:
    table = aged([*range(80)] * 5).assign(hired=label)
    with pytest.raises(DataError, match="Evenhand corrects classifiers: no regression and no ranking"):
        from_table(table, replace(AGED, favourable=("1",)), seed=0)


def test_grades_are_labels() -> None:
    table = aged([*range(80)] * 5).assign(hired=np.arange(400) % 10)
    assert len(from_table(table, replace(AGED, favourable=("9",)), seed=0)[1].labels) == 10


def test_the_label_of_another_bundle_is_not_learnt_from() -> None:
    table = aged([*range(80)] * 5).assign(insult=np.arange(400) // 3 % 2)
    rows, schema = from_table(table, replace(AGED, other_labels=("insult",)), seed=0)
    assert "insult" not in rows.items[0]
    (role,) = (role for role in schema.columns if role.name == "insult")
    assert (role.role, role.why) == ("dropped", "the label of another bundle")
