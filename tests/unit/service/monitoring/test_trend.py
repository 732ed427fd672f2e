"""The trend of the target: plain definitions, buckets that add up, marks, bounds."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from recording import BUNDLE, MANIFEST, batch, recorder
from sqlalchemy import Engine, create_engine, insert
from waiting import until

from evenhand.models.bundle.target import AttributeTarget, Measure, Target
from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.events import event
from evenhand.service.audit.feedback import Feedback
from evenhand.service.audit.tables import META, hourly_decisions, hourly_outcomes
from evenhand.service.monitoring import trend as trends
from evenhand.service.monitoring import trend_rows
from evenhand.service.monitoring.cells import Window
from evenhand.service.monitoring.groups import SIDES
from evenhand.service.monitoring.trend import (
    Counts,
    Mark,
    TrendCounts,
    TrendFacts,
    figure,
    pooled,
    trend,
)
from evenhand.service.monitoring.trend_rows import AnsweredRow, bucketed, read_trend
from evenhand.service.monitoring.trend_schema import TrendReply

HOUR_MS = 3_600_000
HOUR = 450_000
"""Hours since 1970 of the rows here."""
WINDOW = Window(HOUR, HOUR + 1)
RECORD = {"state": "on", "spooled": 0}
NAME = MANIFEST.name
LEAST = 3

row = st.builds(
    AnsweredRow,
    st.integers(HOUR * HOUR_MS, (HOUR + 1) * HOUR_MS - 1),
    st.booleans(),
    st.booleans(),
    st.sampled_from((True, False, None)),
    st.fixed_dictionaries({"race": st.sampled_from(("none", "African", "Arab", "unknown"))}),
)
switch = st.builds(
    lambda at_ms: Mark(at_ms, "mode", "correction applied", ("race",), is_switch=True),
    st.integers(HOUR * HOUR_MS, (HOUR + 1) * HOUR_MS - 1),
)


def many(n: int, **facts: Any) -> list[AnsweredRow]:
    """So many times the same row."""
    usual = {"at_ms": HOUR * HOUR_MS, "base": True, "final": True, "label": True, "groups": {"race": "none"}}
    return [AnsweredRow(**{**usual, **facts})] * n


def counts_of(rows: list[AnsweredRow]) -> Counts:
    return pooled(bucketed(rows, None, []).buckets)


def race_aim(measure: Measure) -> AttributeTarget:
    return AttributeTarget(attribute="race", measure=measure)


def reply_of(
    read: TrendCounts, marks: list[Mark], target: Target | None = None, **more: Any
) -> dict[str, Any]:
    """A reply, checked against its schema."""
    manifest = MANIFEST.model_copy(update={"target": target})
    reply = trend(read, marks, TrendFacts(manifest, WINDOW, 0.05, RECORD, **more))
    TrendReply.model_validate(reply)
    return reply


def plainly(rows: list[AnsweredRow], measure: Measure, side: str, least: int) -> float | None:
    """The definition, with arrays of answers and labels."""
    labelled = [each for each in rows if each.label is not None]
    rows = rows if measure == "demographic-parity" else labelled
    group = np.array([each.groups["race"] for each in rows])
    answer = np.array([getattr(each, side) for each in rows], dtype=bool)
    truth = np.array([each.label for each in rows])

    def shares(hits: Any, among: Any) -> list[float]:
        of = [hits[among & (group == name)] for name in sorted({*group} - {"unknown"})]
        return [float(inside.mean()) for inside in of if len(inside) >= least]

    everyone, good = np.ones(len(rows), bool), truth == True  # noqa: E712 - elementwise
    if measure == "worst-cell":
        right = answer == good
        return min(shares(right, good) + shares(right, ~good), default=None)
    among = {
        "equalized-odds": [good, ~good],
        "equal-opportunity": [good],
        "predictive-equality": [~good],
        "demographic-parity": [everyone],
    }[measure]
    gaps = [max(of) - min(of) if len(of := shares(answer, inside)) > 1 else None for inside in among]
    return None if None in gaps else max(gap for gap in gaps if gap is not None)


@pytest.mark.parametrize(
    "measure",
    ["worst-cell", "equalized-odds", "equal-opportunity", "predictive-equality", "demographic-parity"],
)
@settings(max_examples=examples(60), deadline=None)
@given(rows=st.lists(row, max_size=80))
def test_figures_equal_the_plain_definition(measure: Measure, rows: list[AnsweredRow]) -> None:
    aim = race_aim(measure)
    for side in SIDES:
        with pytest.MonkeyPatch.context() as patch:  # small examples should have figures
            patch.setattr(trends, "LEAST_ROWS", LEAST)
            span, n = figure(counts_of(rows), aim, side)
        expected = plainly(rows, measure, side, LEAST)
        assert span.value == (None if expected is None else pytest.approx(expected))
        if span.value is not None and span.low is not None and span.high is not None:
            assert span.low <= span.value <= span.high
            assert n >= LEAST


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(row, max_size=80), st.lists(switch, max_size=4))
def test_buckets_add_up_to_the_window_and_none_lies_on_both_sides_of_a_switch(
    rows: list[AnsweredRow], marks: list[Mark]
) -> None:
    rows = sorted(rows, key=lambda each: each.at_ms)
    marks = sorted(marks, key=lambda mark: mark.at_ms)
    read = bucketed(rows, None, marks)
    assert pooled(read.buckets) == counts_of(rows)
    assert sum(n for (_, _, label, _, _), n in pooled(read.buckets).items() if label is None) == len(rows)
    for before, after in zip(read.buckets, read.buckets[1:], strict=False):
        assert before.to_ms <= after.from_ms
    for bucket in read.buckets:
        assert bucket.to_ms - bucket.from_ms <= 1000 * read.width_s
        assert not any(bucket.from_ms < mark.at_ms < bucket.to_ms for mark in marks)
    race = reply_of(read, marks)["attributes"][0]
    labelled = [each for each in rows if each.label is not None and each.groups["race"] != "unknown"]
    assert sum(bucket["rows"] for bucket in race["buckets"]) == len(labelled)
    assert sum(stretch["rows"] for stretch in race["stretches"]) == len(labelled)
    assert (race["whole"] is None) == (not labelled)


def test_the_figure_falls_at_the_switch_and_too_few_rows_have_none() -> None:
    middle = HOUR * HOUR_MS + 10_000
    rows = [
        *many(40, groups={"race": "none"}),
        *many(40, base=False, final=False, groups={"race": "African"}),
        *many(29, label=False, groups={"race": "Arab"}),
        *many(40, at_ms=middle + 1),
        *many(30, at_ms=middle + 1, base=False, groups={"race": "African"}),
        *many(10, at_ms=middle + 1, base=False, final=False, groups={"race": "African"}),
    ]
    marks = [
        Mark(middle, "mode", "correction applied", ("race",), is_switch=True),
        Mark(middle + 5, "override", "1 decision overridden by a person"),
    ]
    target = Target(
        attributes=[
            AttributeTarget(attribute="race", measure="equal-opportunity"),
            AttributeTarget(attribute="religion", measure="worst-cell", limit=0.7),
            AttributeTarget(attribute="race:religion", measure="worst-cell"),
        ],
        max_loss=0.005,
    )
    reply = reply_of(bucketed(rows, None, marks), marks, target)
    race, religion, both = reply["attributes"]
    assert (race["figure"], race["limit"]) == ("equal_opportunity_difference", 0.05)
    first, second = race["stretches"]
    assert (first["after"], first["base"]["value"], first["final"]["value"]) == (None, 1.0, 1.0)
    assert (second["after"], second["base"]["value"]) == ("correction applied", 1.0)
    assert second["final"]["value"] == pytest.approx(0.25)
    assert second["final"]["groups"] == ["none", "African"]
    assert (first["rows"], first["n"]) == (109, 80)  # the rows of Arab have an unfavourable label
    assert (religion["limit"], religion["buckets"], religion["whole"]) == (0.7, [], None)
    assert religion["why"] == "No row with a true label has a declared group in this window."
    assert both["why"] == (
        "No row with a true label has a declared race and a declared religion in this window."
    )
    assert [mark["words"] for mark in reply["marks"]] == [mark.words for mark in marks]
    few = figure(counts_of(many(29, groups={"race": "Arab"})), race_aim("worst-cell"), "final")
    assert (few[0].value, few[1]) == (None, 0)


def test_a_switch_of_one_attribute_is_about_its_intersections_too() -> None:
    mark = Mark(0, "mode", "correction applied", ("race",), is_switch=True)
    assert mark.is_about("race")
    assert mark.is_about("race:religion")
    assert not mark.is_about("gender:religion")


def test_a_bundle_that_names_no_target_aims_at_the_worst_cell_of_every_attribute() -> None:
    rows = [*many(40), *many(30, label=False, groups={"race": "Arab"})]
    reply = reply_of(bucketed(rows, None, []), [])
    assert [each["attribute"] for each in reply["attributes"]] == MANIFEST.attribute_names
    assert {each["measure"] for each in reply["attributes"]} == {"worst-cell"}
    whole = reply["attributes"][0]["whole"]
    assert (whole["base"]["value"], whole["base"]["groups"]) == (0.0, ["Arab, hate"])


@pytest.mark.parametrize(
    ("rows", "span_s", "width_s"),
    [(3000, 20, 5), (3000, 60, 15), (20_000, 3600, 60), (100, 3600, 3600), (40, 0, 5)],
)
def test_buckets_are_short_where_there_are_many_rows(rows: int, span_s: int, width_s: int) -> None:
    begin = HOUR * HOUR_MS
    spread = [
        AnsweredRow(begin + 1000 * span_s * place // rows, True, True, True, {}) for place in range(rows)
    ]
    assert bucketed(spread, None, []).width_s == width_s


@pytest.fixture
def engine() -> Any:
    made = create_engine("sqlite://")
    META.create_all(made)
    yield made
    made.dispose()


def counted(engine: Engine, hour: int, n: int, *, label: int | None = None, model: str = NAME) -> None:
    row = {"hour": hour, "model": model, "attribute": "race", "group": "none", "source": "declared",
           "base": 1, "final": 0, "bin": 7, "n": n, "score": 0.7 * n}  # fmt: skip
    with engine.begin() as connection:
        if label is None:
            connection.execute(insert(hourly_decisions), [row])
        else:
            connection.execute(insert(hourly_outcomes), [{**row, "label": label}])


def test_longer_windows_are_made_from_hourly_counts_and_the_longest_from_days(engine: Engine) -> None:
    for hour, n in ((HOUR, 7), (HOUR - 1, 40), (HOUR - 30, 50), (HOUR - 200, 60), (HOUR + 1, 999)):
        counted(engine, hour, n)
        counted(engine, hour, n, label=1)
    counted(engine, HOUR, 999, model="another")
    keys: Any = None
    read, marks = read_trend(engine, keys, NAME, Window(HOUR - 23, HOUR + 1))
    assert (read.source, read.width_s, read.cut, marks) == ("hourly counts", 3600, None, [])
    assert [(bucket.from_ms // HOUR_MS, pooled([bucket]).total()) for bucket in read.buckets] == [
        (HOUR - 1, 80),
        (HOUR, 14),
    ]
    key = ("race", "none", True, True, False)
    assert read.buckets[0].counts[key] == 40
    long, _ = read_trend(engine, keys, NAME, Window(HOUR - 719, HOUR + 1))
    assert long.width_s == 86_400
    assert pooled(long.buckets).total() == 2 * (7 + 40 + 50 + 60)
    assert all(bucket.from_ms < bucket.to_ms for bucket in long.buckets)


def test_more_counts_than_are_read_at_once_are_cut_at_a_whole_hour(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in range(HOUR - 9, HOUR + 1):
        counted(engine, hour, 5)
    monkeypatch.setattr(trend_rows, "MOST_COUNTS", 3)
    keys: Any = None
    read, _ = read_trend(engine, keys, NAME, Window(HOUR - 23, HOUR + 1))
    assert [bucket.from_ms // HOUR_MS for bucket in read.buckets] == [HOUR - 2, HOUR - 1, HOUR]
    assert read.cut is not None
    assert read.cut.startswith("There are more counts than are read at once: the trend begins at 2021-05-")


@pytest.fixture
def record(tmp_path: Path) -> Any:
    made = recorder(tmp_path, durability="request")
    yield made
    made.close()


def answer(record: AuditClient, at_ms: int, rows: int, group: str, label: str | None) -> None:
    """Rows on record with their labels."""
    taken = batch(rows, seed=rows, at_ms=at_ms, race=group)
    written = record.take(taken)
    assert written is not None
    written.result(600)
    if label is not None:
        joined = record.feedback([Feedback(each.id, label) for each in taken.rows])
        assert Counter(each.result for each in joined) == {"joined": rows}


def test_a_short_window_is_made_from_the_records_own_decisions(record: AuditClient) -> None:
    begin = HOUR * HOUR_MS
    answer(record, begin, 5, "none", "hate")
    answer(record, begin + 1, 4, "African", "not hate")
    answer(record, begin + 2, 3, "Martian", None)
    answer(record, begin + HOUR_MS, 9, "none", "hate")
    read, _ = read_trend(record.engine, record.keys, NAME, WINDOW)
    of: Counter[tuple[str, bool | None]] = Counter()
    for (_, group, label, _, _), n in pooled(read.buckets).items():
        of[group, label] += n
    assert of == {
        ("none", None): 5, ("none", False): 5, ("African", None): 4, ("African", True): 4,
        ("unknown", None): 3,
    }  # fmt: skip
    assert read.source == "decisions"
    hourly, _ = read_trend(record.engine, record.keys, NAME, Window(HOUR - 23, HOUR + 1))
    assert pooled(hourly.buckets) == pooled(read.buckets)
    other, _ = read_trend(record.engine, record.keys, "another", WINDOW)
    assert other.buckets == []


def test_more_decisions_than_are_read_at_once_leave_the_newest(
    record: AuditClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second in range(4):
        answer(record, HOUR * HOUR_MS + 1000 * second, 5, "none", None)
    monkeypatch.setattr(trend_rows, "MOST_DECISIONS", 10)
    read, _ = read_trend(record.engine, record.keys, NAME, WINDOW)
    assert pooled(read.buckets).total() == 10
    assert read.cut is not None
    assert "Only the newest 10 decisions were read: the trend begins at 2021-05-" in read.cut


def test_marks_are_told_in_words_and_the_same_by_several_processes_once(record: AuditClient) -> None:
    taken = batch(1)
    written = record.take(taken)
    assert written is not None
    written.result(600)
    for kind, facts in (
        ("mode", {"model": NAME, "attributes": ["race"], "mode": "off"}),
        ("mode", {"model": NAME, "attributes": ["religion"], "mode": "off"}),
        ("mode", {"model": NAME, "attributes": ["race"], "mode": "apply"}),
        ("mode", {"model": "another", "attributes": ["race"], "mode": "apply"}),
        ("reload", {"model": NAME, "result": "ok", "version": "2", "bundle": BUNDLE, "before": BUNDLE}),
        ("reload", {"model": NAME, "result": "ok", "version": "2", "bundle": BUNDLE, "before": BUNDLE}),
        ("reload", {"model": NAME, "result": "refused"}),
        ("promote", {"model": NAME, "version": "1"}),
        ("shadow", {"model": NAME, "version": None}),
    ):
        record.note(event(kind, facts))
    record.override(taken.rows[0].id, "hate", "sam", "a private reason")
    now = batch(0).at_ms // HOUR_MS

    def marks_so_far() -> list[Mark]:
        return read_trend(record.engine, record.keys, NAME, Window(now - 1, now + 1))[1]

    until(lambda: len(marks_so_far()) == 7)  # events are written in the background
    marks = marks_so_far()
    assert [(mark.words, mark.attributes, mark.is_switch) for mark in marks if mark.kind != "override"] == [
        ("correction off", ("race", "religion"), True),
        ("correction applied", ("race",), True),
        ("new bundle loaded, version 2", None, True),
        ("a new bundle was refused", None, False),
        ("version 1 promoted", None, True),
        ("shadow version ended", None, False),
    ]
    assert [mark.words for mark in marks if mark.kind == "override"] == ["1 decision overridden by a person"]
