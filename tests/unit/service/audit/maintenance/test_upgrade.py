"""What earlier versions recorded is taken over: their databases and their spools; see tests/older."""

import shutil
import sqlite3
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa
from places import OLDER
from recording import RecordCounts, batch, bodies, counted, recorder, table
from waiting import until

import evenhand.service.audit.migrations
from evenhand.service.audit import writer
from evenhand.service.audit.checkpoints import checkpoint, load_key, stored
from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.feedback import Feedback
from evenhand.service.audit.maintenance import migrate
from evenhand.service.audit.maintenance.migrate import HEAD, RecordRefused, steps, version
from evenhand.service.audit.maintenance.retention import erase
from evenhand.service.audit.maintenance.verify import verify
from evenhand.service.audit.store import make_engine
from evenhand.service.errors import UnknownDecision
from evenhand.service.monitoring.sequential.evaluator import Evaluator, read_evidence
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings

RECORDS, KEY = sorted(OLDER.glob("record-*")), "07" * 32
LATER = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "9001", "{head}"

def upgrade():
    op.add_column("labels", sa.Column("by", sa.String(64)))
    op.create_table("notes", sa.Column("id", sa.String(26), primary_key=True))
    {then}
"""


def load(folder: Path, url: str) -> None:
    """Make an older version's database."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript((folder / "sqlite.sql").read_text())
        connection.close()
        return
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql((folder / "postgresql.sql").read_text())
    engine.dispose()


@pytest.fixture(params=RECORDS, ids=[folder.name for folder in RECORDS])
def older(
    request: pytest.FixtureRequest, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A state folder whose record an older version wrote."""
    monkeypatch.setattr(writer, "ADOPT_S", 0.05)  # how soon a spool that was left is found
    load(request.param, database)
    state = tmp_path / "state"
    (state / "spool").mkdir(mode=0o700, parents=True)
    (state / "record.key").write_text(KEY)
    shutil.copy(request.param / "waiting.spool", state / "spool")
    return state


def opened(state: Path, url: str, counts: RecordCounts | None = None) -> AuditClient:
    return recorder(state, url, counts, feedback_days=100_000)


def first_of(url: str, group: str) -> str:
    """The last decision that declared this attribute."""
    return [str(body["id"]) for body in bodies(url) if body.get("declared") == [group]][-1]


def test_every_step_but_the_last_has_a_record_of_its_version() -> None:
    assert steps() - {HEAD} <= {folder.name.removeprefix("record-") for folder in RECORDS}, (
        "see tests/older/README.md"
    )


def test_an_older_record_is_brought_up_verifies_and_goes_on(older: Path, database: str) -> None:
    before, counts = bodies(database), RecordCounts()
    decided = counted(database, "hourly_decisions", "gender")
    outcomes = counted(database, "hourly_outcomes", "race")
    record = opened(older, database, counts)
    until(lambda: counts.rows["written"] == 3)  # what waited in the older version's spool
    assert counts.rows["lost"] == 0
    # A label of the older version's model.
    name = first_of(database, "race")
    label = record.decision(name)["configuration"]["labels"][0]
    (joined,) = record.feedback([Feedback(name, label, {})])
    assert joined.result == "joined"
    fresh = batch(2, 9, gender="Women")
    record.take(fresh)
    assert record.decision(fresh.rows[0].id)
    with record.engine.connect() as connection:
        assert version(connection) == HEAD
        (signed,) = stored(connection)
    key = load_key(older / "checkpoint.key")
    again = checkpoint(record.engine, key)
    assert again is not None
    report = verify(
        record.engine, [signed], frozenset([signed.public_key, again.public_key]), lambda *_: None
    )
    assert report.findings == []
    record.close()
    after = bodies(database)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 3 + 1 + 2
    assert counted(database, "hourly_decisions", "gender") == decided + 3 + 2
    assert counted(database, "hourly_outcomes", "race") == outcomes + 1


def test_sequential_evidence_begins_where_an_older_record_begins(older: Path, database: str) -> None:
    record = opened(older, database)
    evaluator = Evaluator(record.engine, record.keys, EvidenceSettings(), 1.0, lambda _: None)
    while evaluator.take_batch():
        pass
    assert read_evidence(record.engine)
    record.close()


def test_a_person_of_an_older_record_is_erased(older: Path, database: str) -> None:
    counts = RecordCounts()
    record = opened(older, database, counts)
    until(lambda: counts.rows["written"] == 3)
    gone = first_of(database, "gender")
    attributes = len(table(database, "attributes"))
    erase(record.engine, record.keys, [gone], "an operator")
    with pytest.raises(UnknownDecision):
        record.decision(gone)
    assert len(table(database, "attributes")) == attributes - 1
    record.close()


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A version after this one, with one step more."""

    def release(then: str) -> None:
        steps = Path(evenhand.service.audit.migrations.__file__).parent
        shutil.copytree(steps, tmp_path / "later/migrations", dirs_exist_ok=True)
        step = tmp_path / "later/migrations/versions/9001_more.py"
        step.write_text(LATER.format(head=HEAD, then=then))
        monkeypatch.setattr(migrate, "HEAD", "9001")
        monkeypatch.setattr(migrate, "files", lambda _: tmp_path / "later")

    return release


def test_the_next_step_is_taken_from_any_version_and_not_taken_back(
    older: Path, database: str, later: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bodies(database)
    later("op.execute(\"UPDATE labels SET by = 'client'\")")
    opened(older, database).close()
    assert bodies(database)[: len(before)] == before
    assert {row[-1] for row in table(database, "labels")} == {"client"}
    monkeypatch.setattr(migrate, "HEAD", HEAD)
    monkeypatch.setattr(migrate, "files", files)
    with pytest.raises(RecordRefused, match="newer version") as refused:
        opened(older, database)
    assert "\n" not in str(refused.value)


def test_a_step_that_fails_leaves_everything_as_it_was(
    older: Path, database: str, later: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, labels = bodies(database), table(database, "labels")
    later('op.execute("UPDATE labels SET nothing = 1")')
    engine = make_engine(database).execution_options(writes=True)
    with pytest.raises(sa.exc.DBAPIError):
        migrate.migrate(engine, "")
    with engine.connect() as connection:
        assert version(connection) != "9001"
        assert not sa.inspect(connection).has_table("notes")
    engine.dispose()
    assert (bodies(database), table(database, "labels")) == (before, labels)
    monkeypatch.setattr(migrate, "HEAD", HEAD)
    monkeypatch.setattr(migrate, "files", files)
    opened(older, database).close()
