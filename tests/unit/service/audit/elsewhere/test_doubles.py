"""A decision made elsewhere is on record once, however often and wherever it was sent."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_core import from_json
from recording import RecordCounts, batch, bodies, counted, recorder, table
from reporting import reported
from sqlalchemy import Connection, create_engine
from waiting import until

from evenhand.service.audit import aggregates, store
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.record_batch import RecordBatch, make, make_reported
from evenhand.service.audit.store import Store

KEYS = Keys(bytes(32))
TABLES = ("hourly_decisions", "hourly_outcomes", "hourly_risk")


def opened(url: str) -> Store:
    return Store(url, KEYS.fingerprint, KEYS.pseudonym)


def assert_counts_are_those_of(url: str, *batches: RecordBatch) -> None:
    """The hourly tables hold what these batches count, up to rounding, and no cell of nothing."""
    for name in TABLES:
        cells: aggregates.Cells = {name: {}}
        for each in batches:
            aggregates.merge(cells, name, each.cells[name])
        expected = aggregates.rows_of(cells)[name]
        places = 1 + aggregates.SUMS[name]
        on_record = {tuple(row[:-places]): row[-places:] for row in table(url, name)}
        assert on_record.keys() == {tuple(row[:-places]) for row in expected}
        for row in expected:
            assert on_record[tuple(row[:-places])] == pytest.approx(row[-places:])


def test_what_is_sent_twice_is_recorded_and_counted_once(database: str) -> None:
    rows = reported(300)
    first, again = (
        make_reported(rows, KEYS),
        make_reported(replace(rows, columns=reported(400).columns), KEYS),
    )
    record = opened(database)
    record.append([first], again=False)
    record.append([again], again=False)
    record.engine.dispose()
    assert first.doubled == {}
    assert len(again.doubled) == 300
    assert set(again.doubled.values()) == {event.id for event in first.events}
    assert len(bodies(database)) == 400  # the chain holds, too
    expected = make_reported(replace(rows, columns=reported(400).columns), KEYS)
    assert_counts_are_those_of(database, expected)
    for name in ("attributes", "labels", "own_ids"):
        number = len(getattr(expected, "own_ids" if name == "own_ids" else name))
        assert len(table(database, name)) == number


def test_doubles_within_a_batch_and_between_batches_of_one_transaction_are_seen(database: str) -> None:
    rows = reported(20)
    again = reported(20).columns
    twice = replace(rows, columns=rows.columns.take([*range(20), *range(20)]))
    twice.columns.ids[20:] = again.ids
    one, other = make_reported(twice, KEYS), make_reported(reported(20), KEYS)
    record = opened(database)
    record.append([one, other], again=False)
    record.engine.dispose()
    assert one.doubled == dict(zip(again.ids, rows.columns.ids, strict=True))
    assert len(other.doubled) == 20
    assert len(bodies(database)) == 20
    assert_counts_are_those_of(database, make_reported(rows, KEYS))


def test_served_decisions_of_the_same_batch_are_left_alone(database: str) -> None:
    served = make([batch(5, gender="Men")], KEYS)
    record = opened(database)
    record.append([make_reported(reported(10), KEYS)], again=False)
    record.append([served, make_reported(reported(10), KEYS)], again=False)
    record.engine.dispose()
    assert len(bodies(database)) == 15
    assert counted(database, "hourly_decisions", "gender") == 5
    assert counted(database, "hourly_decisions", "sex") == 10


def test_a_batch_whose_commit_is_in_doubt_is_not_written_twice(database: str) -> None:
    """Nothing of it is known to be on record: it goes to the spool and comes again, as it was."""
    record = opened(database)
    text = make_reported(reported(10), KEYS).to_json()
    record.append([RecordBatch.from_json(text)], again=True)
    record.append([RecordBatch.from_json(text)], again=True)
    record.append([make([batch(1)], KEYS), RecordBatch.from_json(text)], again=True)
    record.engine.dispose()
    assert len(bodies(database)) == 11
    assert counted(database, "hourly_decisions", "sex") == 10


def test_two_writers_that_get_the_same_decisions_record_them_once(database: str) -> None:
    stores = [opened(database) for _ in range(2)]
    stores[0].open()

    def write(each: Store) -> RecordBatch:
        made = make_reported(reported(200), KEYS)
        each.append([made], again=False)
        return made

    with ThreadPoolExecutor(2) as threads:
        written = list(threads.map(write, stores))
    for each in stores:
        each.engine.dispose()
    assert sorted(len(made.doubled) for made in written) == [0, 200]
    assert len(bodies(database)) == 200


def test_a_spooled_batch_is_compared_when_it_is_written(tmp_path: Path, postgres: object) -> None:
    """The client sent it again before the database was back: it is on record once."""
    url = postgres.create()  # type: ignore[attr-defined]
    counts = RecordCounts()
    client = recorder(tmp_path, url, counts)
    client.take_reported(reported(5, seed=1))[1].result(60)
    postgres.stop("immediate")  # type: ignore[attr-defined]
    try:
        spooled = [client.take_reported(reported(30)) for _ in range(2)]
        for made, done in spooled:
            done.result(60)
            assert made.spooled
    finally:
        postgres.start()  # type: ignore[attr-defined]
    until(lambda: not client.spooled)
    client.close()
    assert len(bodies(url)) == 35
    assert counted(url, "hourly_decisions", "sex") == 35
    assert counts.rows["lost"] == 0


def test_old_lines_of_a_spool_are_still_read() -> None:
    made = make([batch(2, gender="Men")], KEYS)
    assert len(from_json(made.to_json())) == 4
    assert RecordBatch.from_json(made.to_json()).to_json() == made.to_json()
    of_reported = make_reported(reported(3), KEYS)
    assert RecordBatch.from_json(of_reported.to_json()).to_json() == of_reported.to_json()


def test_many_rows_of_one_statement_are_those_of_many_statements(tmp_path: Path) -> None:
    """SQLite gets blocks of rows; what is left over goes row by row."""
    url = f"sqlite:///{tmp_path / 'record.db'}"
    record = opened(url)
    for rows in (store.SQLITE_ROWS - 1, store.SQLITE_ROWS, 2 * store.SQLITE_ROWS + 1):
        record.append([make_reported(reported(rows, seed=rows), KEYS)], again=False)
    record.engine.dispose()
    assert len(bodies(url)) == 4 * store.SQLITE_ROWS
    engine = create_engine(url)
    with engine.connect() as connection:
        assert isinstance(connection, Connection)
        order = connection.exec_driver_sql("SELECT body FROM records ORDER BY seq").scalars().all()
    engine.dispose()
    assert len({from_json(body)["id"] for body in order}) == len(order)
