"""Many decisions at once are what they are one by one."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting import DECLARATION, MODEL, sent

from evenhand.service.audit.elsewhere.columns import columns_of
from evenhand.service.audit.elsewhere.rows import Reported
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.elsewhere.columns import ColumnReader
from evenhand.service.elsewhere.fields import gather
from evenhand.service.elsewhere.rows import RowError, RowReader, fields_of
from evenhand.service.ids import ulids

MANY = ObservedModel(
    "hiring",
    DECLARATION.model_copy(update={"labels": ["1", "2", "wait", "True"], "favourable": ["1", "2", "wait"]}),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 3),
    st.integers(10**400, 10**400 + 1),
    st.floats(-0.5, 1.5),
    st.sampled_from([0.0, 0.5, 1.0, float("nan"), float("inf"), 1e16]),
    st.sampled_from(["hire", "reject", " hire", "1", "1.0", "male", "female", "MALE", "a", "b ", "", "x\ny"]),
    st.lists(st.floats(0, 1), max_size=4),
    st.dictionaries(st.sampled_from(["hire", "reject", "1", "x"]), st.floats(0, 1), max_size=3),
)
SHARES = st.floats(0, 1).map(lambda share: {"hire": share, "reject": 1 - share})
FEW = st.floats(0, 1).map(lambda share: {"hire": share})
LISTS = st.floats(0, 1).map(lambda share: [share, 1 - share])
ROW = st.fixed_dictionaries(
    {},
    optional={
        "prediction": st.one_of(st.sampled_from(["hire", "reject"]), VALUES),
        "scores": st.one_of(SHARES, FEW, LISTS, VALUES),
        "score": st.one_of(st.floats(0, 1), VALUES),
        "label": st.one_of(st.sampled_from(["hire", "reject"]), VALUES),
        "id": st.one_of(st.text(max_size=4), VALUES),
        "groups": st.one_of(
            st.dictionaries(st.sampled_from(["sex", "origin"]), VALUES),
            st.dictionaries(st.text(), VALUES),
            VALUES,
        ),
        "groups.sex": VALUES,
        "features": st.one_of(st.dictionaries(st.text(max_size=2), VALUES, max_size=2), VALUES),
        "text": VALUES,
        "model": st.just("hiring"),
        "other": VALUES,
    },
)


def one_by_one(
    model: ObservedModel, rows: list[Any], names: list[str]
) -> tuple[Any, dict[int, str], Counter[str]]:
    """What the row reader makes of them."""
    reader = RowReader(model, lambda item: item.decode("utf-8", "replace"))
    good, faulty, items = list[Reported](), dict[int, str](), list[Any]()
    for place, (row, name) in enumerate(zip(rows, names, strict=True), 1):
        try:
            one = reader.read(name, fields_of(row))
        except RowError as error:
            faulty[place] = str(error)
        except (ValueError, OverflowError):
            faulty[place] = "a value of it cannot be read"
        else:
            good.append(one.row)
            items.append(one.item)
    return (columns_of(good, model.attribute_names), items), dict(sorted(faulty.items())), reader.unlisted


def at_once(
    model: ObservedModel, rows: list[Any], names: list[str]
) -> tuple[Any, dict[int, str], Counter[str]]:
    """What the column reader makes of them."""
    reader = ColumnReader(RowReader(model, lambda item: item.decode("utf-8", "replace")))
    fields, faulty = gather(range(1, len(rows) + 1), rows)
    checked, wrong = reader.read(fields, [names[place - 1] for place in fields.places])
    return (
        (checked.columns, checked.items),
        dict(sorted((each.place, each.message) for each in (*faulty, *wrong))),
        reader.unlisted,
    )


@pytest.mark.parametrize("model", [MODEL, MANY], ids=["two labels", "four labels"])
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_rows_at_once_are_those_one_by_one(model: ObservedModel, rows: list[Any]) -> None:
    names = ulids(len(rows))
    assert repr(at_once(model, rows, names)) == repr(one_by_one(model, rows, names))


@pytest.mark.parametrize("form", ["scores", "list", "one", "score"])
def test_usual_rows_are_those_one_by_one(form: str) -> None:
    rows = sent(500)
    for row in rows:
        scores = row["scores"]
        if form == "score":
            row["score"] = scores[row["prediction"]]
            del row["scores"]
        elif form == "list":
            row["scores"] = list(scores.values())
        elif form == "one":
            row["scores"] = {"reject": scores["reject"]}
            del row["prediction"]
    names = ulids(len(rows))
    (columns, _), faulty, _ = at_once(MODEL, rows, names)
    assert len(columns) == 500
    assert not faulty
    assert repr(at_once(MODEL, rows, names)) == repr(one_by_one(MODEL, rows, names))
