"""The evaluator over real records on SQLite and PostgreSQL: a row counts once, even if the process dies."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import evaluating
import pytest
from databases import Postgres
from evaluating import ATTRIBUTES, BAD, GOOD, KEYS, MANIFEST, Shop, finish, row
from sqlalchemy import delete
from waiting import until

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.audit import events
from evenhand.service.audit.feedback import Feedback
from evenhand.service.audit.store import make_engine
from evenhand.service.audit.tables import attributes
from evenhand.service.monitoring.sequential import evaluator
from evenhand.service.monitoring.sequential.evaluator import Evaluator, read_evidence
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings
from evenhand.service.monitoring.sequential.verdicts import Kept, findings

PARITY, TRUE_POSITIVES, FALSE_POSITIVES = "demographic_parity", "true_positive_rate", "false_positive_rate"


def rows_of(shop: Shop) -> dict[tuple[str, ...], list[int]]:
    """Rows of the reference and of the group, and favourable ones of each, by comparison."""
    return {key: [*state["rows"], *state["favourable"]] for key, state in shop.states().items()}


def test_nothing_on_record_is_nothing_to_do(shop: Shop) -> None:
    assert shop.evaluator().take_batch() == 0
    assert shop.states() == {}
    assert read_evidence(shop.store.engine) == []


def test_declared_rows_count_and_no_others(shop: Shop) -> None:
    shop.decide(row(True, sex="women"), row(False, sex="men"), row(True), row(True, sex="unknown"))
    assert shop.evaluator().take_batch() == 4
    assert rows_of(shop) == {("sex", "women", PARITY): [1, 1, 0, 1]}


def test_the_targets_rates_are_tested_against_the_limit_that_the_bundle_states(shop: Shop) -> None:
    aim = AttributeTarget(attribute="sex", measure="demographic-parity", limit=0.12)
    target = Target(attributes=[aim], max_loss=0.0)
    stated = events.configuration(MANIFEST.model_copy(update={"target": target}), "b" * 64)
    assert stated.sha256 != evaluating.CONFIGURATION.sha256
    women = row(True, sex="women", age="old")
    shop.decide(women, configuration=stated)
    shop.learn(Feedback(women.id, label=GOOD))
    finish(shop.evaluator(), shop)
    assert {key: state["gap"] for key, state in shop.states().items()} == {
        ("sex", "women", PARITY): 0.12,
        ("sex", "women", TRUE_POSITIVES): 0.05,
        ("age", "old", PARITY): 0.05,
        ("age", "old", TRUE_POSITIVES): 0.05,
    }


@pytest.mark.parametrize(
    "order", [("decide", "label", "groups"), ("decide", "groups", "label")], ids="-".join
)
def test_a_row_counts_once_with_the_last_of_what_there_is_to_know(shop: Shop, order: tuple[str, ...]) -> None:
    """However late the evaluator looks, after each record or only at the end."""
    made = [row(True), row(False), row(True), row(False)]
    actions = {
        "decide": lambda: shop.decide(*made),
        "label": lambda: shop.learn(
            *(Feedback(one.id, label=GOOD if at < 3 else BAD) for at, one in enumerate(made))
        ),
        "groups": lambda: shop.learn(*(Feedback(one.id, groups={"sex": "women"}) for one in made)),
    }
    expected = {
        ("sex", "women", PARITY): [0, 4, 0, 2],
        ("sex", "women", TRUE_POSITIVES): [0, 3, 0, 2],
        ("sex", "women", FALSE_POSITIVES): [0, 1, 0, 0],
    }
    one = shop.evaluator()
    for step in order:
        actions[step]()
        finish(one, shop)
    assert rows_of(shop) == expected
    soon = shop.states()
    for repeated in ("label", "groups"):  # what is on record already changes nothing
        actions[repeated]()
        finish(one, shop)
    assert shop.states() == soon
    shop.forget()
    finish(shop.evaluator(), shop)
    assert shop.states() == soon


def test_label_and_group_may_come_together_and_with_the_decision_already_read(shop: Shop) -> None:
    made = row(True, sex="men")
    shop.decide(made)
    one = shop.evaluator()
    one.take_batch()
    shop.learn(Feedback(made.id, label=BAD, groups={"age": "old"}))
    one.take_batch()
    assert rows_of(shop) == {
        ("sex", "women", PARITY): [1, 0, 1, 0],
        ("sex", "women", FALSE_POSITIVES): [1, 0, 1, 0],
        ("age", "old", PARITY): [0, 1, 0, 1],
        ("age", "old", FALSE_POSITIVES): [0, 1, 0, 1],
    }


def test_an_erased_group_no_longer_counts_and_stops_nothing(shop: Shop) -> None:
    made = [row(True, sex="women"), row(True, sex="women")]
    shop.decide(*made)
    with shop.store.writing() as connection:
        connection.execute(delete(attributes).where(attributes.c.pseudonym == KEYS.pseudonym(made[0].id)))
    shop.learn(Feedback(made[0].id, label=GOOD), Feedback(made[1].id, label=GOOD))
    finish(shop.evaluator(), shop)
    assert rows_of(shop)["sex", "women", TRUE_POSITIVES] == [0, 1, 0, 1]


def test_a_group_that_was_erased_and_is_declared_again_does_not_count_again(shop: Shop) -> None:
    made = row(True)
    shop.decide(made)
    shop.learn(Feedback(made.id, groups={"sex": "women"}))
    one = shop.evaluator()
    finish(one, shop)
    with shop.store.writing() as connection:
        connection.execute(delete(attributes))
    assert shop.learn(Feedback(made.id, groups={"sex": "women"})) == ["duplicate"]
    finish(one, shop)
    assert rows_of(shop) == {("sex", "women", PARITY): [0, 1, 0, 1]}


@pytest.fixture
def small_lots(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda size: monkeypatch.setattr(evaluator, "BATCH_ROWS", size)


def expected_of(shop: Shop) -> dict[tuple[str, ...], dict[str, object]]:
    """What one evaluator finds that nobody disturbs, in lots of the usual size."""
    shop.forget()
    finish(shop.evaluator(), shop)
    return shop.states()


def test_a_restart_after_any_lot_ends_as_if_there_had_been_none(
    shop: Shop, small_lots: Callable[[int], None]
) -> None:
    shop.trade(400)
    expected = expected_of(shop)
    assert len(expected) == 9
    assert all(state["blocks"] for state in expected.values())
    shop.forget()
    for size in (1, 3, 50, 200) * 100:
        small_lots(size)
        finish_one = shop.evaluator()
        if not finish_one.take_batch():
            break
    assert shop.cursor() == shop.head()
    assert shop.states() == expected


def test_two_that_evaluate_at_once_double_nothing_even_without_the_lock(
    shop: Shop, small_lots: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.trade(300)
    expected = expected_of(shop)
    shop.forget()
    small_lots(5)

    class Free:
        def __init__(self, engine: object) -> None: ...
        def __enter__(self) -> bool:
            return True

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(evaluator, "_locked", Free)
    failed = []

    def work() -> None:
        one = Evaluator(make_engine(shop.url), KEYS, EvidenceSettings(), 0.05, lambda kept: None)
        while shop.cursor() < shop.head():
            try:
                one.take_batch()
            except evaluator.AWAY as error:  # both wrote at once: one of them tries again
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.states() == expected


def child(shop: Shop, tmp_path: Path, *then: str) -> subprocess.Popen[bytes]:
    """A process that evaluates in lots of 20 records."""
    ready = tmp_path / "ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, evaluating.__file__, shop.url, "20", str(ready), *then]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    )
    until(lambda: ready.exists() or process.poll() is not None)
    return process


def test_a_process_killed_in_the_middle_of_a_lot_loses_and_doubles_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    shop.trade(1_000)
    expected = expected_of(shop)
    shop.forget()
    for attempt in range(6):  # between what a lot writes, and anywhere
        before = shop.cursor()
        in_the_middle = attempt % 2 == 0
        process = child(shop, tmp_path, *["3"] * in_the_middle)
        if in_the_middle:
            assert process.wait() == -signal.SIGKILL
            assert shop.cursor() == before + 2 * 20  # two lots were finished, and the third is undone
            continue
        until(lambda before=before: shop.cursor() > before)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert shop.cursor() < shop.head()
    finish(shop.evaluator(), shop)  # another takes over at once
    assert shop.states() == expected


def test_only_one_evaluates_and_another_when_it_is_gone(shop: Shop, tmp_path: Path) -> None:
    shop.trade(20)
    with evaluator._locked(shop.store.engine) as alone:
        assert alone
        assert shop.evaluator().take_batch() == 0
        with evaluator._locked(make_engine(shop.url)) as another:
            assert not another
    assert shop.evaluator().take_batch() > 0


def test_a_database_that_is_away_is_said_once_and_tried_again(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Here it has no tables yet."""
    shop, reports = Shop(database), []
    one = shop.evaluator(report=reports.append)
    with caplog.at_level(logging.WARNING):
        one.start()
        try:
            until(lambda: bool(caplog.records))
            time.sleep(0.3)
            shop.store.open()
            shop.decide(row(True, sex="women"))
            until(lambda: any(reports))
        finally:
            one.close()
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "evidence: the record's database is down",
        "evidence goes on",
    ]
    assert reports[-1][0].comparison.rows == [0, 1]


def test_an_error_that_nobody_foresaw_does_not_end_the_evidence(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def report(kept: list[Kept]) -> None:
        calls.append(len(kept))
        if len(calls) < 4:
            raise ZeroDivisionError

    one = shop.evaluator(report=report)
    one.start()
    until(lambda: len(calls) > 5)
    one.close()
    failed, again = [record.message for record in caplog.records]
    assert failed.startswith("background work failed: evidence (ZeroDivisionError)")
    assert again.startswith("evidence works again")


def test_a_server_that_crashes_is_waited_for(postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    shop, reports = Shop(postgres.create()), []
    shop.store.open()
    shop.trade(100)
    one = shop.evaluator(report=reports.append)
    with caplog.at_level(logging.WARNING):
        one.start()
        try:
            until(lambda: bool(reports))
            postgres.stop("immediate")
            try:
                until(lambda: bool(caplog.records))
            finally:
                postgres.start()
            until(lambda: len(caplog.records) > 1)
            shop.store.engine.dispose()
            shop.decide(row(True, sex="women"))
            until(lambda: shop.cursor() == shop.head())
        finally:
            one.close()
    states = shop.states()
    assert states == expected_of(shop)


def test_every_process_says_what_the_table_says(shop: Shop) -> None:
    shop.trade(100)
    finish(shop.evaluator(), shop)
    aims = {"sex": Aim("demographic-parity", 0.05, "operator")}
    here, there = (
        findings(read_evidence(engine), MANIFEST.name, ATTRIBUTES, EvidenceSettings(), aims)
        for engine in (shop.store.engine, make_engine(shop.url))
    )
    assert here == there
    states = {entry["role"]: set() for entry in here}
    for entry in here:
        states[entry["role"]].add(entry["state"])
    assert states == {"target": {"insufficient data"}, "information": {None}}
