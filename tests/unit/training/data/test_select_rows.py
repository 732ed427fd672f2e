"""What of a table a bundle can be judged on: nothing is dropped without a word."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.tables.table import Refused, Table
from evenhand.training.data.dataset import DataError
from evenhand.training.data.select_rows import RowSelection, SelectedRows, select_rows

ATTRIBUTES = ("team", "colour")
SELECTION = RowSelection(attributes=ATTRIBUTES)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bundles.Bundle:
    return bundles.load(write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


def table(*rows: dict[str, str | None], refused: tuple[Refused, ...] = ()) -> Table:
    made = Table.of_rows(enumerate(rows, start=1), "t.csv", "0" * 64)
    return replace(made, refused=list(refused))


def row(
    text: str | None = "good film", label: str | None = "positive", **more: str | None
) -> dict[str, str | None]:
    return {"text": text, "label": label, "team": "none", "colour": "some", **more}


def saved(bundle: bundles.Bundle, **columns: object) -> bundles.Bundle:
    """The bundle as if it had been fitted with these columns."""
    provenance = bundle.manifest.provenance.model_copy(update={"settings": {"columns": columns}})
    manifest = bundle.manifest.model_copy(update={"provenance": provenance})
    return bundles.Bundle(
        bundle.path, manifest, bundle.sha256, bundle.graph, bundle.preprocess, bundle.reference
    )


def judged(
    bundle: bundles.Bundle, *rows: dict[str, str | None], selection: RowSelection = SELECTION
) -> SelectedRows:
    return select_rows(table(*rows), bundle, selection)


def test_bad_rows_are_listed_with_the_reason_and_the_rest_is_judged(bundle: bundles.Bundle) -> None:
    rows = [
        row(),
        row(label=None),
        row(label="secret"),
        row(text=None),
        row(text=" "),
        row(text="a\udce9"),
        row(),
    ]
    selected = select_rows(table(*rows, refused=(Refused(99, "not readable as CSV"),)), bundle, SELECTION)
    assert selected.rows.row.tolist() == [0, 6]
    assert [refused.row_number for refused in selected.refused] == [2, 3, 4, 5, 6, 99]
    assert [refused.reason for refused in selected.refused][:4] == [
        "no label",
        "a label that the bundle does not know",
        "no text",
        "text is empty",
    ]
    assert "secret" not in str(selected.refused)


def test_unknown_and_new_groups_stay_in(bundle: bundles.Bundle) -> None:
    selected = judged(bundle, row(), row(team=""), row(team="Unknown"), row(team=None), row(team="guests"))
    assert selected.rows.groups["team"].tolist() == [0, -1, -1, -1, 2]
    assert selected.schema.groups["team"] == ("none", "some", "guests")
    assert selected.new_groups == {"team": ("guests",)}
    assert selected.schema.gated == {"team": ("none", "some"), "colour": ("none", "some")}


def test_labels_and_favourable_are_the_bundles(bundle: bundles.Bundle) -> None:
    selected = judged(bundle, row(), row(label="negative"))
    assert selected.schema.labels == ("negative", "positive")
    assert selected.rows.labels.tolist() == [1, 0]
    assert selected.schema.favourable == ("positive",)
    turned = judged(bundle, row(), selection=RowSelection(attributes=ATTRIBUTES, favourable=("negative",)))
    assert turned.schema.favourable == ("negative",)


def test_what_is_not_given_comes_from_the_bundle(bundle: bundles.Bundle) -> None:
    fitted = saved(
        bundle,
        text="body",
        label="verdict",
        attributes=["team", "colour"],
        split="part",
        intersections=[["team", "colour"]],
    )
    rows = [
        {"body": "good", "verdict": "positive", "team": "some", "colour": "some", "part": part}
        for part in ("train", "test", "test")
    ]
    selected = select_rows(table(*rows), fitted, RowSelection())
    assert selected.left_out == {"train": 1}
    assert selected.selection.only == ("test",)
    assert len(selected.rows) == 2
    assert "team:colour" in selected.schema.groups
    without = [{name: value for name, value in row.items() if name != "colour"} for row in rows]
    fewer = select_rows(table(*without), fitted, RowSelection())
    assert fewer.absent == ("colour",)
    assert fewer.schema.attributes == ("team",)


def test_an_attribute_without_a_detector_is_judged_against_its_reference(bundle: bundles.Bundle) -> None:
    rows = [row(age="old"), row(age="young"), row(age="young")]
    most = judged(bundle, *rows, selection=RowSelection(attributes=("age",)))
    assert most.schema.groups["age"] == ("young", "old")
    named = judged(bundle, *rows, selection=RowSelection(attributes=("age",), references={"age": "old"}))
    assert named.schema.groups["age"] == ("old", "young")
    assert named.new_groups == {}


def test_other_splits_are_counted(bundle: bundles.Bundle) -> None:
    rows = [row(part="a"), row(part="b"), row(part=None)]
    selected = judged(bundle, *rows, selection=RowSelection(attributes=ATTRIBUTES, split="part", only=("a",)))
    assert selected.left_out == {"b": 1, "none given": 1}
    assert np.array_equal(selected.rows.row, [0])


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (
            RowSelection(text="body", attributes=ATTRIBUTES),
            "no column body; it has text, label, team, colour",
        ),
        (RowSelection(attributes=("age",)), "no column age"),
        (RowSelection(attributes=ATTRIBUTES, only=("test",)), "--only needs --split"),
        (
            RowSelection(attributes=ATTRIBUTES, favourable=("neither",)),
            "--favourable must be some, not all, of negative",
        ),
        (RowSelection(attributes=ATTRIBUTES, favourable=("negative", "positive")), "some, not all"),
        (
            RowSelection(attributes=ATTRIBUTES, references={"team": "some"}),
            "--reference team: .* taught 'none'",
        ),
        (RowSelection(attributes=ATTRIBUTES, split="team"), "no row of test in team; it has none"),
        (RowSelection(attributes=("text",)), "needs two groups"),
        (
            RowSelection(attributes=("text",), references={"text": "x"}),
            "needs its reference among its values",
        ),
        (RowSelection(attributes=ATTRIBUTES, intersections=(("team", "age"),)), "name two of team, colour"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    bundle: bundles.Bundle, selection: RowSelection, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        judged(bundle, row(), selection=selection)


def test_no_attribute_no_row_or_too_many_groups_is_one_sentence(bundle: bundles.Bundle) -> None:
    with pytest.raises(DataError, match="no column of an attribute; name one with --attribute"):
        select_rows(table({"text": "a", "label": "positive"}), bundle, RowSelection())
    with pytest.raises(
        DataError, match=r"a label that the bundle does not know \(2 rows\).*negative, positive"
    ):
        judged(bundle, row(label="1"), row(label="0"))
    with pytest.raises(DataError, match="has 70 values, more than 64"):
        judged(bundle, *(row(name=f"n{i}") for i in range(70)), selection=RowSelection(attributes=("name",)))


def test_labels_groups_and_splits_are_recognised_in_other_spellings(bundle: bundles.Bundle) -> None:
    manifest = bundle.manifest.model_copy(
        update={
            "labels": ["0", "1"],
            "favourable": ["1"],
            "attributes": [
                attribute.model_copy(update={"groups": groups, "reference": groups[0]})
                for attribute, groups in zip(
                    bundle.manifest.attributes, (["1", "2"], ["True", "False"]), strict=True
                )
            ],
        }
    )
    coded = replace(bundle, manifest=manifest)
    rows = [
        {"text": "good", "label": "1.0", "team": "2.0", "colour": "true", "part": "Test"},
        {"text": "good", "label": "0", "team": "?", "colour": "FALSE", "part": "testing"},
        {"text": "good", "label": "N/A", "team": "1", "colour": "True", "part": "test"},
        {"text": "good", "label": "1", "team": "1", "colour": "True", "part": "dev"},
    ]
    selected = judged(
        coded, *rows, selection=RowSelection(attributes=ATTRIBUTES, split="part", only=("test",))
    )
    assert selected.rows.labels.tolist() == [1, 0]
    assert selected.rows.groups["team"].tolist() == [1, -1]
    assert selected.rows.groups["colour"].tolist() == [0, 1]
    assert selected.new_groups == {}
    assert selected.left_out == {"val": 1}
    assert selected.refused == [Refused(3, "no label")]


def test_a_group_of_the_bundle_is_one_even_if_it_is_a_mark_of_a_missing_value(bundle: bundles.Bundle) -> None:
    attributes = [
        bundle.manifest.attributes[0].model_copy(update={"groups": ["None", "some"], "reference": "None"})
    ]
    earlier = replace(bundle, manifest=bundle.manifest.model_copy(update={"attributes": attributes}))
    selected = judged(earlier, row(team="None"), row(team="some"), row(team="N/A"), selection=RowSelection())
    assert selected.rows.groups["team"].tolist() == [0, 1, -1]


def test_raw_numbers_are_judged_by_the_ranges_of_the_bundle(bundle: bundles.Bundle) -> None:
    team, *others = bundle.manifest.attributes
    ranges = ["0-24", "25-39", "40+"]
    aged = team.model_copy(update={"groups": ["40+", "25-39"], "reference": "40+", "ranges": ranges})
    manifest = bundle.manifest.model_copy(update={"attributes": [aged, *others]})
    of_ages = replace(bundle, manifest=manifest)
    values = ["31", "40.0", " 39.5", "25-39", "-1", "old", "nan", None, "24"]
    selected = judged(of_ages, *(row(team=value) for value in values))
    names = selected.schema.groups["team"]
    assert names == ("40+", "25-39", "0-24")
    assert [None if code < 0 else names[code] for code in selected.rows.groups["team"]] == [
        *("25-39", "40+", "25-39", "25-39"),
        *(None, None, None, None),
        "0-24",
    ]
    assert selected.new_groups == {"team": ("0-24",)}
