"""True labels and groups join the decision they are about, once, whoever brings them."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recording import MANIFEST, batch, bodies, recorder, table, withheld

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.audit import events
from evenhand.service.audit.aggregates import DAY_MS, HOUR_MS
from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.feedback import Feedback, Joined
from evenhand.service.audit.tables import attributes
from evenhand.service.ids import ALPHABET, ulid

HOURS_AGO_MS = 5 * HOUR_MS


@pytest.fixture
def record(tmp_path: Path, database: str) -> Iterator[AuditClient]:
    made = recorder(tmp_path, database)
    yield made
    made.close()


def decide(record: AuditClient, rows: int = 1, **declared: str) -> list[str]:
    """Decisions of some hours ago."""
    taken = batch(rows, seed=rows, at_ms=time.time_ns() // 1_000_000 - HOURS_AGO_MS, **declared)
    record.take(taken)
    assert record.decision(taken.rows[-1].id) is not None  # it is in the database now
    return [row.id for row in taken.rows]


def one(record: AuditClient, name: str, label: str | None = None, **groups: str) -> Joined:
    return record.feedback([Feedback(name, label, groups)])[0]


def cells(url: str, name: str, attribute: str) -> dict[tuple[str, str], int]:
    """Numbers by group and source."""
    totals: Counter[tuple[str, str]] = Counter()
    for row in table(url, name):
        if row[2] == attribute:
            totals[row[3], row[4]] += row[-2]
    return dict(totals)


def test_a_label_joins_once_and_stays(record: AuditClient, database: str) -> None:
    (name,) = decide(record)
    assert one(record, name, "hate").result == "joined"
    before = table(database, "hourly_outcomes")
    assert one(record, name, "hate").result == "duplicate"
    assert one(record, name, "not hate").result == "conflict"
    assert one(record, name, "not hate", gender="Women").result == "conflict"
    assert table(database, "hourly_outcomes") == before
    assert [(row[0], row[1]) for row in table(database, "labels")] == [(name, "hate")]
    assert [body["kind"] for body in bodies(database)] == ["decision", "label"]


def test_what_cannot_be_joined_says_why_and_never_what_was_sent(record: AuditClient, database: str) -> None:
    (name,) = decide(record)
    long_ago_ms = time.time_ns() // 1_000_000 - 91 * DAY_MS
    old = "".join(ALPHABET[long_ago_ms >> shift & 31] for shift in range(45, -1, -5)) + name[10:]
    items = [
        Feedback(ulid(), "hate"),
        Feedback("no id\0", "hate"),
        Feedback(name, "secret"),
        Feedback(name, None, {"secret": "x"}),
        Feedback(name),
        Feedback(old, "hate"),
    ]
    results = record.feedback(items)
    assert [joined.result for joined in results] == ["orphan", "orphan", "error", "error", "error", "expired"]
    assert not any("secret" in (joined.message or "") for joined in results)
    assert all(joined.message for joined in results if joined.result == "error")
    assert len(bodies(database)) == 1


def test_what_the_counters_need_comes_with_it(record: AuditClient) -> None:
    (name,) = decide(record, gender="Women")
    decision = record.decision(name)
    counted = one(record, name, "not hate", religion="Islam").counted
    assert decision is not None
    assert counted is not None
    assert (counted.base, counted.final) == (decision["base"]["favourable"], decision["final"]["favourable"])
    assert (counted.label, counted.is_new, counted.p) == (True, True, decision["p_favourable"])
    assert counted.bin == min(9, int(10 * counted.p))
    assert counted.decisions == (("religion", "Islam"),)
    assert set(counted.outcomes) == {
        ("gender", "Women", "declared"),
        ("religion", "Islam", "declared"),
        *(
            (name, "flagged" if name in decision["flagged"] else "unflagged", "inferred")
            for name in ("race", "religion", "orientation")
        ),
    }
    assert counted.references["gender"] == "none"
    assert {name for name, flagged in counted.flagged.items() if flagged} == set(decision["flagged"])


def test_a_group_declared_later_counts_once_under_the_hour_of_the_decision(
    record: AuditClient, database: str
) -> None:
    (name,) = decide(record)
    assert one(record, name, gender="Women").result == "joined"
    assert one(record, name, gender="Women").result == "duplicate"
    assert one(record, name, gender="Men").result == "conflict"
    assert one(record, name, gender="nobody lists this").result == "conflict"
    declared = [row for row in table(database, "hourly_decisions") if row[4] == "declared"]
    assert [(row[2], row[3], row[-2]) for row in declared] == [("gender", "Women", 1)]
    assert {row[0] for row in table(database, "hourly_decisions")} == {declared[0][0]}
    assert declared[0][0] < time.time() // 3600 - 3
    assert one(record, name, race="nobody lists this").result == "joined"
    assert one(record, name, race="nor this").result == "duplicate"
    assert cells(database, "hourly_decisions", "race")["unknown", "declared"] == 1


def test_a_group_declared_later_counts_among_the_abstained_where_its_decision_did(
    record: AuditClient, database: str
) -> None:
    record.take(taken := withheld(batch(2), "race", 0))
    names = [row.id for row in taken.rows]
    assert record.decision(names[-1]) is not None
    for name in names:
        assert one(record, name, gender="Women").result == "joined"
        assert one(record, name, gender="Women").result == "duplicate"
    gender = cells(database, "hourly_decisions", "gender")
    assert (gender["Women", "declared"], gender["Women", "declared, abstained"]) == (2, 1)
    assert sum(n for (_, source), n in gender.items() if source.startswith("inferred")) == 0
    assert cells(database, "hourly_decisions", "race")["all", "abstained"] == 1


def test_a_group_known_at_serving_is_not_counted_again(record: AuditClient, database: str) -> None:
    (name,) = decide(record, gender="Women")
    assert one(record, name, gender="Women").result == "duplicate"
    assert one(record, name, gender="Men").result == "conflict"
    assert cells(database, "hourly_decisions", "gender") == {("Women", "declared"): 1}


def test_the_order_of_labels_and_groups_changes_no_count(record: AuditClient, database: str) -> None:
    items: list[dict[str, Any]] = [{"label": "hate"}, {"gender": "Women"}, {"race": "Arab"}]
    changes = []
    for order in itertools.permutations(items):
        (name,) = decide(record)
        before = table(database, "hourly_outcomes"), table(database, "hourly_decisions")
        for item in order:
            assert one(record, name, **item).result == "joined"
        after = table(database, "hourly_outcomes"), table(database, "hourly_decisions")
        changes.append([added(*pair) for pair in zip(before, after, strict=True)])
    assert all(each == changes[0] for each in changes)
    outcomes = {(key[2], key[3], key[4]) for key in changes[0][0]}
    assert {("gender", "Women", "declared"), ("race", "Arab", "declared")} < outcomes
    assert {key[2] for key in changes[0][0] if key[4] == "inferred"} == {"religion", "orientation"}


def test_the_order_of_arrival_changes_no_count_of_an_intersection(record: AuditClient, database: str) -> None:
    aim = AttributeTarget(attribute="gender:race", measure="worst-cell")
    manifest = MANIFEST.model_copy(update={"target": Target(attributes=[aim], max_loss=0.01)})
    configuration = events.configuration(manifest, "b" * 64)
    items: list[dict[str, Any]] = [{"label": "hate"}, {"gender": "Women"}, {"race": "Arab"}]
    total = 0
    for at_first in (0, 1, 2):  # how many groups the request declares
        for order in itertools.permutations(items):
            at_once = [item for item in order if "label" not in item][:at_first]
            at_ms = time.time_ns() // 1_000_000 - HOURS_AGO_MS
            taken = batch(1, at_ms=at_ms, **{name: group for item in at_once for name, group in item.items()})
            record.take(replace(taken, manifest=manifest, configuration=configuration))
            name = taken.rows[0].id
            for item in order:
                result = one(record, name, **item).result
                assert result == ("duplicate" if item in at_once else "joined")
                assert one(record, name, **item).result == "duplicate"
            total += 1
            for hourly in ("hourly_decisions", "hourly_outcomes"):
                assert cells(database, hourly, "gender:race") == {("Women & Arab", "declared"): total}


def added(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    had = {row[:-2]: row[-2] for row in before}
    return {row[:-2]: row[-2] - had.get(row[:-2], 0) for row in after if row[-2] != had.get(row[:-2], 0)}


def test_one_bulk_may_say_the_same_twice(record: AuditClient, database: str) -> None:
    names = decide(record, 700)
    items = [Feedback(name, "hate") for name in names for _ in range(2)]
    results = [joined.result for joined in record.feedback(items)]
    assert results == ["joined", "duplicate"] * 700
    assert len(bodies(database)) == 1400
    assert sum(cells(database, "hourly_outcomes", "race").values()) == 700


def test_of_two_replicas_that_are_told_the_same_one_joins(tmp_path: Path, database: str) -> None:
    replicas = [recorder(tmp_path, database) for _ in range(2)]
    names = decide(replicas[0], 40)
    with ThreadPoolExecutor(8) as pool:
        requests = [(replica, name) for name in names for replica in (*replicas, *replicas)]
        results = Counter(pool.map(lambda ask: one(ask[0], ask[1], "hate", gender="Men").result, requests))
    for replica in replicas:
        replica.close()
    assert results == {"joined": 40, "duplicate": 120}
    assert sum(cells(database, "hourly_outcomes", "gender").values()) == 40
    assert len(bodies(database)) == 40 * 3


def test_feedback_to_another_replica_right_after_the_decision_finds_it(tmp_path: Path, database: str) -> None:
    one_, other = (recorder(tmp_path, database) for _ in range(2))
    one_.take(batch())  # begins an interval, in which the next one waits
    taken = batch()
    one_.take(taken)
    assert one(other, taken.rows[0].id, "hate").result == "joined"
    one_.close()
    other.close()


def test_a_label_in_another_spelling_is_the_same_label(record: AuditClient, database: str) -> None:
    (name,) = decide(record)
    assert one(record, name, " hate ").result == "joined"
    assert one(record, name, "hate").result == "duplicate"
    assert [(row[0], row[1]) for row in table(database, "labels")] == [(name, "hate")]


@pytest.mark.parametrize("labels", [True, False])
def test_a_row_counts_once_whenever_its_group_is_declared(
    record: AuditClient, database: str, labels: bool
) -> None:
    """With the request or later, before or after the label, in one item or several: one row, one count."""
    arrivals: list[list[dict[str, Any]]] = [
        [{"gender": "Women"}, {"label": "hate"}],
        [{"label": "hate"}, {"gender": "Women"}],
        [{"label": "hate", "gender": "Women"}],
        [{"label": "hate"}],
    ]
    for arrival in arrivals:
        for declared in ({}, {"gender": "Women"}):
            (name,) = decide(record, **declared)
            for item in arrival:
                one(record, name, **{key: value for key, value in item.items() if labels or key != "label"})
    rows = 2 * len(arrivals)
    for hourly, expected in (("hourly_decisions", rows), ("hourly_outcomes", rows if labels else 0)):
        of = cells(database, hourly, "gender")
        assert sum(of.values()) == expected
        assert sum(n for (_, source), n in of.items() if source == "inferred") == (expected and 1)
        assert of.get(("Women", "declared"), 0) == expected - (expected and 1)
        empty = [score for *_, number, score in table(database, hourly) if not number]
        assert empty == pytest.approx([0.0] * len(empty))  # what moved left nothing behind


def test_a_group_that_is_not_kept_any_more_moves_its_row_once(record: AuditClient, database: str) -> None:
    (name,) = decide(record)
    assert one(record, name, gender="Women").result == "joined"
    with record.engine.begin() as connection:
        connection.execute(attributes.delete())
    assert one(record, name, gender="Women").result == "duplicate"
    assert cells(database, "hourly_decisions", "gender") == {
        ("Women", "declared"): 1,
        **{cell: 0 for cell in cells(database, "hourly_decisions", "gender") if cell[1] == "inferred"},
    }
