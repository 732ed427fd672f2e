"""A database is brought to this version's tables, or refused."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from databases import Postgres
from recording import batch, bodies, recorder
from waiting import until

import evenhand.service.audit.migrations
from evenhand.service.audit.maintenance.migrate import HEAD, RecordRefused
from evenhand.service.audit.store import RecordAway, Store, make_engine
from evenhand.service.audit.tables import META


def test_migrations_make_the_tables_of_this_version(database: str) -> None:
    store = Store(database, "key")
    store.open()
    with store.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), META)
    assert differences == []
    assert ScriptDirectory(str(Path(evenhand.service.audit.migrations.__file__).parent)).get_heads() == [HEAD]


def test_of_several_that_begin_at_once_one_does(database: str) -> None:
    stores, together = [Store(database, "key") for _ in range(6)], Barrier(6)

    def begin(store: Store) -> None:
        store.engine.connect().close()
        together.wait()
        store.open()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(begin, stores))
    assert bodies(database) == []


def test_a_database_of_another_key_is_refused(tmp_path: Path, database: str) -> None:
    recorder(tmp_path / "one", database).close()
    with pytest.raises(RecordRefused, match="another key"):
        recorder(tmp_path / "two", database)


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path, database: str) -> None:
    recorder(tmp_path, database).close()
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RecordRefused, match="newer version") as refused:
        recorder(tmp_path, database)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused(tmp_path: Path, postgres: Postgres, encoding: str) -> None:
    with pytest.raises(RecordRefused, match=f"the encoding {encoding}") as refused:
        recorder(tmp_path, postgres.create(encoding))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["sqlite://", "mysql://root:secret@host/base", "secret", "postgresql://host:secret/base"]
)
def test_a_url_that_cannot_be_used_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(RecordRefused, match="no usable URL") as refused:
        make_engine(url)
    assert "secret" not in str(refused.value)


def test_one_that_comes_back_and_is_not_ours_gets_nothing(
    tmp_path: Path, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.create()
    recorder(tmp_path / "other", url).close()
    postgres.stop("fast")
    try:
        record = recorder(tmp_path / "ours", url)
        record.take(batch(3))
    finally:
        postgres.start()
    until(lambda: "another key" in (record.problem or ""))
    with pytest.raises(RecordAway):
        record.decision(batch(1).rows[0].id)
    assert record.state == "spooling"
    record.close()
    assert bodies(url) == []
    assert caplog.text.count("another key") == 1
    again = recorder(tmp_path / "ours", postgres.create())  # what it took waits for a database of its own
    until(lambda: again.state == "on" and not list((tmp_path / "ours" / "spool").iterdir()))
    again.close()
