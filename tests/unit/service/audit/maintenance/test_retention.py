"""What left is gone, what stays verifies, and both ends say so."""

import json
import random
from pathlib import Path

import pytest
import recorded
from recorded import BEGIN_MS, DAY_MS, NAME, Recorded, fill
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.exc import OperationalError

from evenhand.service.audit.checkpoints import Checkpoint, checkpoint, public_bytes, stored
from evenhand.service.audit.events import event
from evenhand.service.audit.maintenance.retention import due, erase, prune
from evenhand.service.audit.maintenance.verify import verify
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.tables import (
    attributes,
    chain,
    checkpoints,
    configurations,
    hourly_decisions,
    labels,
    records,
)

NOW_MS = BEGIN_MS + 100 * DAY_MS
"""Fifty decisions, five at a time on every tenth day: on day 0, 10, ... 90."""
LIMITS = (55, 35)
"""Days that decisions and attributes stay."""


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


def said(record: Recorded, *kept: Checkpoint) -> list[str]:
    report = verify(record.engine, kept, frozenset([public_bytes(record.signer)]), quiet)
    return [str(finding) for finding in report.findings]


def rows(record: Recorded, table: str) -> int:
    with record.engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def bodies(record: Recorded, kind: str) -> list[dict[str, object]]:
    with record.engine.connect() as connection:
        query = select(records.c.body).where(records.c.kind == kind).order_by(records.c.seq)
        return [json.loads(body) for body in connection.execute(query).scalars()]


def test_prune_lets_go_of_what_is_old_and_the_rest_verifies(database: str) -> None:
    record = fill(database, decisions=50, days=100)
    with record.engine.begin() as connection:
        cell = dict.fromkeys(("model", "attribute", "group", "source"), "x") | {"score": 0.5}
        connection.execute(insert(hourly_decisions).values(hour=1, base=1, final=1, bin=5, n=1, **cell))
        kept = stored(connection)
    expected = due(record.engine, *LIMITS, NOW_MS)
    assert (expected.records, expected.to_seq, expected.attributes) == (40, 40, 35)
    assert rows(record, "records") == 81
    done = prune(record.engine, *LIMITS, NOW_MS, quiet)
    assert (done.records, done.to_seq, done.attributes, done.configurations) == (40, 40, 35, 0)
    assert (rows(record, "records"), rows(record, "labels"), rows(record, "attributes")) == (42, 15, 15)
    assert (rows(record, "hourly_decisions"), rows(record, "configurations")) == (1, 1)
    assert said(record, *kept) == []
    (body,) = bodies(record, "prune")
    assert (body["to_seq"], body["keep_decisions_days"]) == (40, 55)
    report = verify(record.engine, kept, frozenset(), quiet)
    assert (report.first, report.last, report.uncompared) == (41, 82, 4)


def test_prune_again_finds_nothing_and_appends_nothing(database: str) -> None:
    record = fill(database, decisions=50, days=100)
    prune(record.engine, *LIMITS, NOW_MS, quiet)
    again = prune(record.engine, *LIMITS, NOW_MS, quiet)
    assert (again.records, again.to_seq, again.attributes) == (0, 0, 0)
    assert rows(record, "records") == 42


def test_everything_may_be_too_old_and_the_chain_goes_on(database: str) -> None:
    record = fill(database, decisions=50, days=100)
    far_ms = NOW_MS + 10_000 * DAY_MS
    done = prune(record.engine, 1, 1, far_ms, quiet)
    assert (done.records, done.attributes, done.configurations) == (81, 50, 1)
    assert (rows(record, "records"), rows(record, "configurations"), rows(record, "labels")) == (1, 0, 0)
    assert said(record) == []
    record.store.append([RecordBatch([event("mode", {"attribute": "sex", "mode": "off"})])], again=False)
    assert said(record) == []


def test_a_prune_that_was_cut_off_holds_and_is_finished_by_the_next(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fill(database, decisions=50, days=100)
    monkeypatch.setattr("evenhand.service.audit.maintenance.retention.BATCH_ROWS", 7)

    def stop(done: int, total: int) -> None:
        if done > 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(record.engine, *LIMITS, NOW_MS, stop)
    assert rows(record, "records") == 82 - 21
    assert said(record) == []
    assert prune(record.engine, *LIMITS, NOW_MS, quiet).records == 19
    assert said(record) == []
    assert rows(record, "attributes") == 15


def test_a_prune_s_own_claim_is_checked(database: str) -> None:
    record = fill(database, decisions=50, days=100)
    prune(record.engine, *LIMITS, NOW_MS, quiet)
    with record.engine.begin() as connection:
        connection.execute(chain.update().values(pruned_link=bytes(32)))
    assert said(record) == ["record 40: the chain row's pruned_link was changed"]
    with record.engine.begin() as connection:  # a further record from the front, as if it had been pruned
        link = connection.execute(select(records.c.link).where(records.c.seq == 41)).scalar_one()
        connection.execute(chain.update().values(pruned_seq=41, pruned_link=link))
        connection.execute(delete(records).where(records.c.seq == 41))
    assert said(record) == ["record 41: the records up to here are missing, and no prune event names them"]


def test_erase_takes_what_is_known_and_leaves_a_chain_that_verifies(database: str) -> None:
    record = fill(database)
    mine, other = record.decisions[0], record.decisions[3]
    record.store.append(
        [RecordBatch([event("override", {"label": "no", "by": "Kim", "reason": "secret"}, mine)])],
        again=False,
    )
    done = erase(record.engine, record.keys, [mine, other, "0" * 26, mine], "Ada of the help desk", quiet)
    assert done.records == [1, 4, 6, 34]
    assert (done.attributes, done.labels, done.already, done.unknown) == (2, 1, [], ["0" * 26])
    assert said(record) == []
    report = verify(record.engine, [], frozenset(), quiet)
    assert (report.erased, report.decisions) == (4, 20)
    (body,) = bodies(record, "erase")
    assert set(body) == {"v", "kind", "id", "time", "by", "records"}
    assert (body["by"], body["records"]) == ("Ada of the help desk", [1, 4, 6, 34])
    assert record.store.decision(mine) is None
    with record.engine.connect() as connection:
        pseudonyms = [record.keys.pseudonym(mine), record.keys.pseudonym(other)]
        left = select(func.count()).select_from(attributes).where(attributes.c.pseudonym.in_(pseudonyms))
        assert connection.execute(left).scalar_one() == 0
        assert connection.execute(select(labels.c.label).where(labels.c.decision == mine)).first() is None


def test_erase_again_says_so_and_takes_what_came_since(database: str) -> None:
    record = fill(database)
    mine = record.decisions[0]
    erase(record.engine, record.keys, [mine], "Ada", quiet)
    again = erase(record.engine, record.keys, [mine], "Ada", quiet)
    assert (again.records, again.already, again.unknown) == ([], [mine], [])
    assert len(bodies(record, "erase")) == 1
    record.store.append([RecordBatch([event("override", {"label": "no"}, mine)])], again=False)
    assert erase(record.engine, record.keys, [mine], "Ada", quiet).records == [35]
    assert said(record) == []


def test_a_body_that_comes_back_after_it_was_erased_is_found(database: str) -> None:
    record = fill(database)
    with record.engine.connect() as connection:
        body = connection.execute(select(records.c.body).where(records.c.seq == 1)).scalar_one()
    erase(record.engine, record.keys, [record.decisions[0]], "Ada", quiet)
    with record.engine.begin() as connection:
        connection.execute(records.update().where(records.c.seq == 1).values(body=body))
    assert said(record) == ["record 1: record 34 says that its body is erased, and it has one"]


def test_a_lot_that_waits_in_the_spool_does_not_bring_back_what_was_erased(database: str) -> None:
    """Before it writes a lot a second time, the writer checks the record; an erased record is still on it."""
    record = fill(database, decisions=0)
    made = [recorded.decision(BEGIN_MS, random.Random(0)) for _ in range(3)]
    lot = RecordBatch(
        made,
        {NAME: recorded.CONFIGURATION},
        [(record.keys.pseudonym(made[0].id), "sex", "female", BEGIN_MS // DAY_MS)],
        {},
    )
    record.store.append([lot], again=False)
    erase(record.engine, record.keys, [made[0].id], "Ada", quiet)
    record.store.append([RecordBatch.from_json(lot.to_json())], again=True)
    assert rows(record, "attributes") == 0
    assert record.store.decision(made[0].id) is None
    assert said(record) == []


def test_on_sqlite_nothing_of_it_stays_in_the_files(tmp_path: Path) -> None:
    record = fill(f"sqlite:///{tmp_path / 'record.db'}", decisions=50)
    mine = record.store.decision(record.decisions[7])
    assert mine is not None
    digest = mine["input"].encode()
    assert any(digest in file.read_bytes() for file in tmp_path.iterdir())
    erase(record.engine, record.keys, [record.decisions[7]], "Ada", quiet)
    assert not any(digest in file.read_bytes() for file in tmp_path.iterdir())


def test_checkpoints_of_pruned_records_stay_and_the_next_one_is_made(database: str) -> None:
    record = fill(database, decisions=50, days=100)
    prune(record.engine, *LIMITS, NOW_MS, quiet)
    assert rows(record, checkpoints.name) == 10
    made = checkpoint(record.engine, record.signer)
    assert made is not None
    assert made.seq == 82
    assert checkpoint(record.engine, record.signer) is None
    assert said(record) == []
    with record.engine.connect() as connection:
        assert connection.execute(select(configurations.c.sha256)).scalar_one() == NAME


def test_a_file_that_is_away_when_deleted_data_is_scrubbed_raises_the_error_of_a_database(
    tmp_path: Path,
) -> None:
    (tmp_path / "folder").mkdir()
    record = fill(f"sqlite:///{tmp_path / 'folder' / 'record.db'}", decisions=5)

    def lose(done: int, total: int) -> None:
        record.engine.dispose()
        (tmp_path / "folder").rename(tmp_path / f"away-{done}")

    with pytest.raises(OperationalError):
        erase(record.engine, record.keys, record.decisions[:1], "Ada", lose)
