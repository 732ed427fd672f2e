"""Hourly cells say what a loop over all decisions would."""

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import MANIFEST, batch, withheld

from evenhand.service.audit import aggregates
from evenhand.service.audit.aggregates import HOUR_MS, Cells
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.audit.record_batch import RecordBatch, make, merge
from evenhand.service.types import Decision, Row


def test_tenths_begin_at_their_lower_limit_and_the_last_is_closed() -> None:
    assert [aggregates.tenth(share) for share in (0.0, 0.0999, 0.1, 0.95, 0.99999, 1.0, 1.0 + 1e-12)] == [
        0, 0, 1, 9, 9, 9, 9,
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from(["Women", "Men", "other", None]))
    )
)
def test_cells_are_what_a_loop_over_decisions_counts(decisions: list[tuple[int, int, str | None]]) -> None:
    batches = [
        batch(2, seed, at_ms=hour * HOUR_MS + 5, **({"gender": group} if group else {}))
        for seed, hour, group in decisions
    ]
    cells: Cells = {}
    for each in batches:
        aggregates.count(cells, each)
    expected, sums = Counter[Any](), Counter[Any]()
    for each in batches:
        for row in each.rows:
            for place, attribute in enumerate(MANIFEST.attributes):
                key, p = _by_hand(each, row, place, attribute.name)
                expected[key] += 1
                sums[key] += Fraction(p)
    counts = cells.get("hourly_decisions", {})
    assert {key: cell[0] for key, cell in counts.items()} == expected
    assert all(cell[1] == pytest.approx(float(sums[key])) for key, cell in counts.items())
    risks = cells.get("hourly_risk", {})
    assert sum(cell[0] for cell in risks.values()) == sum(expected.values())
    assert all(
        0 <= cell[2] <= cell[1] <= cell[0] for cell in risks.values()
    )  # squares, sums and numbers of shares


def _by_hand(each: AnsweredRows, row: Row, place: int, name: str) -> tuple[tuple[Any, ...], float]:
    assert isinstance(row.result, Decision)
    p = row.result.final.scores["not hate"]
    if name in row.declared:
        listed = row.declared[name] in MANIFEST.attributes[place].groups
        group, source = row.declared[name] if listed else "unknown", "declared"
    else:
        group, source = "flagged" if row.result.verdicts[place].flagged else "unflagged", "inferred"
    bits = row.result.base.label == "not hate", row.result.final.label == "not hate"
    return (each.at_ms // HOUR_MS, MANIFEST.name, name, group, source, *bits, min(9, int(p * 10))), p


def test_a_row_that_ended_with_an_error_is_on_record_and_counts_nothing() -> None:
    taken = batch(1, gender="Women")
    failed = Row(taken.rows[0].id, "engine_failed", {"gender": "Women"}, "d" * 64)
    lot = make(
        [AnsweredRows(MANIFEST, taken.configuration, [failed], taken.at_ms, 0.1, "r")], Keys(bytes(32))
    )
    assert len(lot.events) == 1
    assert '"error":"engine_failed"' in lot.events[0].body
    assert lot.cells == {}


@given(st.sets(st.integers(0, 7)), st.sampled_from(["Women", "other", None]))
def test_what_abstained_counts_as_before_and_once_more_apart(places: set[int], group: str | None) -> None:
    taken = batch(8, 3, at_ms=HOUR_MS, **({"gender": group} if group else {}))
    plain: Cells = {}
    aggregates.count(plain, taken)
    cells: Cells = {}
    aggregates.count(cells, withheld(taken, "race", *places))
    own = {"declared", "inferred"}
    attribute_cells = {key: cell for key, cell in cells["hourly_decisions"].items() if key[4] in own}
    assert attribute_cells == plain["hourly_decisions"]
    assert cells["hourly_risk"] == plain["hourly_risk"]
    apart, expected = Counter[Any](), Counter[Any]()
    for key, cell in cells["hourly_decisions"].items():
        if key[4] not in own:
            apart[key[2:5]] += int(cell[0])
    for place in places:
        expected["race", "all", "abstained"] += 1
        for each, attribute in enumerate(MANIFEST.attributes):
            (_, _, name, of, source, *_), _ = _by_hand(taken, taken.rows[place], each, attribute.name)
            expected[name, of, f"{source}, abstained"] += 1
    assert apart == expected


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_lots_in_one_transaction_count_as_one_lot(rows: list[int]) -> None:
    keys, batches = Keys(bytes(32)), [batch(number, number, at_ms=5, gender="Men") for number in rows]
    one, merged = make(batches, keys), merge([make([each], keys) for each in batches])
    assert merged.events == one.events
    assert merged.attributes == one.attributes
    assert _near(merged) == _near(one)


def test_a_lot_survives_its_json() -> None:
    lot = make([batch(3, gender="Men")], Keys(bytes(32)))
    again = RecordBatch.from_json(lot.to_json())
    assert (again.events, again.configurations, again.attributes) == (
        lot.events,
        lot.configurations,
        lot.attributes,
    )
    assert _near(again) == _near(lot)


def test_nothing_of_a_lot_but_a_pseudonym_is_beside_a_group() -> None:
    taken = batch(3, gender="Women")
    lot = make([taken], Keys(bytes(32)))
    text = str([lot.attributes, lot.cells])
    assert "Women" in text
    assert not any(row.id in text for row in taken.rows)
    assert not any("Women" in event.body for event in lot.events)


def _near(lot: RecordBatch) -> dict[str, list[list[Any]]]:
    """Cells, sums rounded: their order is another."""
    return {
        table: sorted(
            [round(value, 9) if isinstance(value, float) else value for value in row] for row in rows
        )
        for table, rows in lot.cells.items()
    }
