"""Whatever single thing is changed in any column of any row, verify finds it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from recorded import Recorded, fill
from sqlalchemy import text

from evenhand.service.audit.checkpoints import public_bytes
from evenhand.service.audit.maintenance.retention import erase
from evenhand.service.audit.maintenance.verify import verify

RECORDS = 34
COLUMNS = {
    "records": ("id", "kind", "at_ms", "subject", "body", "body_sha256", "link", "seq"),
    "chain": ("pruned_seq", "pruned_link", "seq", "link"),
    "configurations": ("sha256", "body"),
    "checkpoints": ("seq", "link", "at_ms", "public_key", "signature"),
}
PLACES = [(table, column) for table, columns in COLUMNS.items() for column in columns]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """One record; every example is undone."""
    path: Path = tmp_path_factory.mktemp("any") / "record.db"
    made = fill(f"sqlite:///{path}")
    erase(made.engine, made.keys, made.decisions[:2], "Ada", lambda done, total: None)
    yield made
    made.engine.dispose()


def mutated(value: object, at: int, bit: int) -> object:
    """The same value with one bit flipped; numbers are shifted, and nothing becomes something."""
    if value is None:
        return "x"
    if isinstance(value, int):
        return value + 1 + at
    if isinstance(value, bytes):
        flipped = bytearray(value)
        flipped[at % len(value)] ^= 1 << bit
        return bytes(flipped)
    assert isinstance(value, str)
    place = at % len(value)
    return value[:place] + chr(ord(value[place]) ^ (1 << bit % 7)) + value[place + 1 :]


@settings(max_examples=examples(200), deadline=None)
@given(
    place=st.sampled_from(PLACES),
    row=st.integers(0, 10_000),
    at=st.integers(0, 10_000),
    bit=st.integers(0, 7),
)
def test_any_single_change_is_found(
    record: Recorded, place: tuple[str, str], row: int, at: int, bit: int
) -> None:
    table, column = place
    with record.engine.begin() as connection:
        keys = connection.execute(text(f"SELECT rowid FROM {table} ORDER BY rowid")).scalars().all()
        key = after = keys[row % len(keys)]
        value = connection.execute(text(f"SELECT {column} FROM {table} WHERE rowid = {key}")).scalar()
        new = mutated(value, at, bit)
        if column == "seq" and table != "chain":
            new = after = 1_000_000 + at  # a number that no other row has
        connection.execute(text(f"UPDATE {table} SET {column} = :new WHERE rowid = {key}"), {"new": new})
    try:
        report = verify(record.engine, [], frozenset([public_bytes(record.signer)]), lambda done, total: None)
        assert report.findings
    finally:
        with record.engine.begin() as connection:
            connection.execute(
                text(f"UPDATE {table} SET {column} = :old WHERE rowid = {after}"), {"old": value}
            )


@settings(max_examples=examples(100), deadline=None)
@given(gone=st.sets(st.integers(1, RECORDS), min_size=1, max_size=6))
def test_any_missing_records_are_found(record: Recorded, gone: set[int]) -> None:
    names = ", ".join(map(str, gone))
    with record.engine.begin() as connection:
        rows = connection.execute(text(f"SELECT * FROM records WHERE seq IN ({names})")).mappings().all()
        connection.execute(text(f"DELETE FROM records WHERE seq IN ({names})"))
    try:
        report = verify(record.engine, [], frozenset(), lambda done, total: None)
        assert {min(gone)} <= {finding.seq for finding in report.findings}
    finally:
        with record.engine.begin() as connection:
            columns = ", ".join(rows[0])
            values = ", ".join(f":{name}" for name in rows[0])
            connection.execute(
                text(f"INSERT INTO records ({columns}) VALUES ({values})"), [dict(row) for row in rows]
            )
