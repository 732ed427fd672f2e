"""Every column has a role, and whoever is left out is left out for a reason."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_kinds import column_table, pair_table

from evenhand.tables.frame import frame_table
from evenhand.training.data.columns import Columns
from evenhand.training.data.roles import ColumnRole, describe, roles_as_text

COLUMNS = Columns("", "income", ("sex",), "split", task="table")


def roles_of(table: pd.DataFrame, columns: Columns) -> tuple[ColumnRole, ...]:
    return describe(frame_table(table), columns).roles


def features_of(table: pd.DataFrame, columns: Columns) -> tuple[str, ...]:
    return tuple(describe(frame_table(table), columns).features)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Honest columns beside one of each kind that must not be learnt from."""
    made = column_table(400)
    return made.assign(
        id=range(400),
        signed=["2024-01-05"] * 400,
        note=[f"row {row} has a note with many words" for row in range(400)],
        paid=np.where(made["income"] == ">50K", 1, 0),
        gender_code=np.where(made["sex"] == "Female", 2, 1),
        blank="",
    )


def test_what_must_not_be_learnt_from_is_dropped_with_the_reason(table: pd.DataFrame) -> None:
    roles = roles_of(table, COLUMNS)
    assert [role.name for role in roles] == list(table.columns)
    assert features_of(table, COLUMNS) == ("hours", "school", "job")
    assert {role.name: role.why for role in roles if role.role == "dropped"} == {
        "id": "names rows: 400 values in 400 rows",
        "signed": "a date or time",
        "note": "free text: 400 values in 400 rows",
        "paid": "it determines income, or nearly",
        "gender_code": "it determines sex, or nearly",
        "blank": "it has no value",
    }


def test_a_column_that_seems_to_say_the_split_is_named_and_not_learnt_from(table: pd.DataFrame) -> None:
    parts = ["Training", "dev", "test", "train"] * 100
    unsaid = replace(COLUMNS, split=None)
    for column, role in (("part", "dropped"), ("odd", "feature")):
        values = parts if column == "part" else ["train", "plane", "test", "dev"] * 100
        of = {each.name: each for each in roles_of(table.assign(**{column: values}), unsaid)}
        assert of[column].role == role
    said = {each.name: each.why for each in roles_of(table.assign(part=parts), unsaid)}["part"]
    assert said.startswith("it seems to say train, val and test: use it with --split")
    assert roles_of(table.assign(part=parts), replace(unsaid, features=("part",)))[-1].role == "feature"


def test_named_features_are_features_whatever_they_are(table: pd.DataFrame) -> None:
    named = replace(COLUMNS, features=("id", "sex", "paid"))
    roles = roles_of(table, named)
    assert features_of(table, named) == ("sex", "id", "paid")
    of = {role.name: role for role in roles}
    assert of["sex"].role == "attribute, feature"
    assert (of["id"].kind, of["id"].why) == ("id", "")
    assert (of["hours"].role, of["hours"].why) == ("dropped", "not named with --feature")


def test_none_is_a_label_or_a_group_and_no_value_of_a_feature() -> None:
    answers = ["none", "some"] * 50
    table = pd.DataFrame({"income": answers, "sex": answers[::-1], "school": answers, "split": "train"})
    missing = {role.name: role.missing for role in roles_of(table, COLUMNS)}
    assert missing == {"income": 0.0, "sex": 0.0, "school": 0.5, "split": 0.0}


def test_a_model_of_texts_reads_its_texts_alone() -> None:
    columns = Columns("text", "label", ("team",), "split", task="pair", text_pair="other")
    roles = {role.name: role for role in roles_of(pair_table(100), columns)}
    assert [roles[name].role for name in ("text", "other", "label", "team", "split", "colour")] == (
        ["text", "second text", "label", "attribute", "split", "dropped"]
    )
    assert roles["colour"].why == "--task pair does not read it"


def test_the_screen_shows_one_line_per_column_and_no_long_text(table: pd.DataFrame) -> None:
    long = table.assign(note="\x1b[31m" + "very long words " * 10, school=["", "BSc", "MSc", "BSc"] * 100)
    lines = roles_as_text(roles_of(long, COLUMNS)).splitlines()
    assert len(lines) == 1 + len(long.columns)
    assert lines[0].split("  ")[0] == "column"
    (note,) = (line for line in lines if line.startswith("note"))
    assert "\x1b" not in note
    assert "very long words very long words ..." in note
    assert len(note) < 120
    (school,) = (line for line in lines if line.startswith("school"))
    assert school.split() == ["school", "feature", "category", "25.0", "%", "BSc"]


def test_a_note_repeats_no_text_that_a_model_reads() -> None:
    table = pair_table(100)
    table.loc[:1, "text"] = ["caf\u00e9 no one reads", "cafe\u0301 no one reads"]
    table.loc[:1, "other"] = ["N/A", "?"]
    roles = {
        role.name: role
        for role in roles_of(
            table, Columns("text", "label", ("team",), "split", task="pair", text_pair="other")
        )
    }
    assert roles["text"].note == roles["other"].note == ""
    assert roles["text"].missing == roles["other"].missing == 0.0
