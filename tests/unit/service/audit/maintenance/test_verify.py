"""Whatever is done to a record behind the service's back is found, and named."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from recorded import NAME, Recorded, fill
from sqlalchemy import select, text, update

from evenhand.service.audit.chain import Event, extend
from evenhand.service.audit.checkpoints import Checkpoint, checkpoint, public_bytes, stored
from evenhand.service.audit.maintenance.checker import MAX_FINDINGS, Report
from evenhand.service.audit.maintenance.verify import NoRecordError, verify
from evenhand.service.audit.tables import chain, records


def check(record: Recorded, *kept: Checkpoint, trust: bool = True) -> Report:
    trusted = frozenset([public_bytes(record.signer)] if trust else [])
    return verify(record.engine, kept, trusted, lambda done, total: None)


def said(record: Recorded, *kept: Checkpoint) -> list[str]:
    return [str(finding) for finding in check(record, *kept).findings]


def run(record: Recorded, *statements: str) -> None:
    with record.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_an_untouched_record_holds(database: str) -> None:
    report = check(fill(database))
    assert report.findings == []
    assert (report.first, report.last, report.records, report.decisions) == (1, 33, 33, 20)
    assert (report.held, report.uncompared, report.erased) == (4, 0, 0)
    assert report.covered is not None
    assert report.covered.seq == 32


CHANGES = [
    ("id", "'0000000000000000000000000X'", "its id was changed"),
    ("kind", "'group'", "its kind was changed"),
    ("at_ms", "at_ms + 1", "its at_ms was changed"),
    ("subject", "'0000000000000000000000000X'", "its subject was changed"),
    ("subject", "''", "its subject was changed"),
    ("body", "REPLACE(body, 'kind', 'mind')", "its body was changed"),
    ("body_sha256", "link", "its body_sha256 was changed"),
    ("link", "body_sha256", "its link was changed"),
    ("body", "NULL", "its body is missing, and no erase event names it"),
]


def test_a_changed_column_is_named(database: str) -> None:
    record = fill(database)
    for column, value, what in CHANGES:
        for seq in (1, 2, 33):
            of_it = records.c.seq == seq
            with record.engine.begin() as connection:
                before = connection.execute(select(records.c[column]).where(of_it)).scalar_one()
                connection.execute(text(f"UPDATE records SET {column} = {value} WHERE seq = {seq}"))
            assert said(record) == [f"record {seq}: {what}"]
            with record.engine.begin() as connection:
                connection.execute(update(records).where(of_it).values({column: before}))
    assert said(record) == []


def test_a_deleted_record_is_missing(database: str) -> None:
    record = fill(database)
    run(record, "DELETE FROM records WHERE seq = 7", "DELETE FROM records WHERE seq BETWEEN 12 AND 14")
    assert said(record) == ["record 7: it is missing", "record 12: records 12 to 14 are missing"]


def swap(first: int, second: int) -> list[str]:
    steps = [(first, 1000), (second, first), (1000, second)]
    return [f"UPDATE records SET seq = {to} WHERE seq = {of}" for of, to in steps]


@pytest.mark.parametrize(("first", "second"), [(1, 2), (5, 6), (5, 20), (32, 33)])
def test_two_records_that_changed_places_are_named(database: str, first: int, second: int) -> None:
    record = fill(database)
    run(record, "DELETE FROM checkpoints", *swap(first, second))
    found_said = [line for line in said(record) if "chain row" not in line]
    assert found_said == [f"record {first}: it changed places with record {second}"]


def test_a_rotation_names_every_place(database: str) -> None:
    record = fill(database)
    run(record, *swap(5, 6), *swap(6, 7))
    assert [line.split(":")[0] for line in said(record)] == ["record 5", "record 6", "record 7"]
    assert all("reordered" in line for line in said(record))


def test_an_end_that_is_cut_off_is_told_by_the_head_and_by_a_checkpoint(database: str) -> None:
    record = fill(database)
    run(record, "DELETE FROM records WHERE seq > 30")
    assert "record 31: records 31 to 33 are missing: the end was cut off" in said(record)
    run(record, "UPDATE chain SET seq = 30, link = (SELECT link FROM records WHERE seq = 30)")
    (line,) = said(record)
    assert line.startswith("record 31: the end was cut off: at ")
    assert line.endswith("a checkpoint was signed of record 32")


def test_records_beyond_the_head_and_before_the_beginning(database: str) -> None:
    record = fill(database)
    run(record, "UPDATE chain SET seq = 30, link = (SELECT link FROM records WHERE seq = 30)")
    assert said(record) == ["record 31: records 31 to 33 lie beyond the head that the chain row names"]
    run(record, "UPDATE chain SET seq = 33, link = (SELECT link FROM records WHERE seq = 33), pruned_seq = 3")
    assert said(record)[:2] == [
        "record 3: 3 records up to here lie before the beginning that the chain row names",
        "record 3: the records up to here are missing, and no prune event names them",
    ]


def test_a_beginning_that_is_cut_off_without_a_prune_event(database: str) -> None:
    record = fill(database)
    link = "(SELECT link FROM records WHERE seq = 3)"
    run(
        record, f"UPDATE chain SET pruned_seq = 3, pruned_link = {link}", "DELETE FROM records WHERE seq <= 3"
    )
    assert said(record) == ["record 3: the records up to here are missing, and no prune event names them"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("link = pruned_link", "record 33: the chain row's link is not this record's"),
        ("pruned_link = link", "the chain row's pruned_link was changed"),
    ],
)
def test_a_changed_chain_row_is_named(database: str, change: str, what: str) -> None:
    record = fill(database)
    run(record, f"UPDATE chain SET {change}")
    assert said(record) == [what]


def test_a_record_moved_beyond_the_end_is_named(database: str) -> None:
    record = fill(database)
    run(record, "UPDATE records SET seq = 900 WHERE seq = 5")
    assert said(record) == [
        "record 5: it is missing",
        "record 34: records 34 to 900 lie beyond the head that the chain row names",
        "record 900: it belongs at 5: records were reordered",
    ]


def test_several_wounds_are_all_listed_in_order(database: str) -> None:
    record = fill(database)
    run(
        record,
        "UPDATE records SET at_ms = at_ms + 1 WHERE seq = 4",
        "DELETE FROM records WHERE seq = 9",
        "UPDATE records SET body = '{}' WHERE seq = 10",
        "UPDATE records SET link = body_sha256 WHERE seq = 20",
    )
    assert said(record) == [
        "record 4: its at_ms was changed",
        "record 9: it is missing",
        "record 10: its body or body_sha256 was changed",
        "record 20: its link was changed",
    ]


def forge(record: Recorded, seq: int) -> None:
    """Change a body, and compute hashes and links anew from there on: the chain holds."""
    with record.engine.begin() as connection:
        rows = connection.execute(
            select(records).where(records.c.seq >= seq - 1).order_by(records.c.seq)
        ).all()
        before = rows[0].link
        for row in rows[1:]:
            body = row.body.replace('"applied"', '"off"').replace('"apply"', '"off"')
            event = Event(row.id, row.kind, row.at_ms, body, row.subject)
            (linked,) = extend(before, row.seq - 1, [event])
            values = {"body": body, "body_sha256": linked.body_sha256, "link": linked.link}
            connection.execute(update(records).where(records.c.seq == row.seq).values(values))
            before = linked.link
        connection.execute(update(chain).values(link=before))


def test_a_chain_that_was_forged_from_the_change_on_is_told_by_a_checkpoint(database: str) -> None:
    record = fill(database)
    with record.engine.connect() as connection:
        kept = stored(connection)
    forge(record, 18)
    (line,) = said(record)
    assert line.startswith("record 24: its link is not the one signed ")
    assert line.endswith("records 17 to 24 were rewritten")
    run(record, "DELETE FROM checkpoints")
    assert said(record) == []  # nothing in the database tells any more
    assert said(record, *kept) == [line]


def test_a_forger_s_own_checkpoints_are_of_another_key(database: str) -> None:
    record = fill(database)
    forge(record, 18)
    run(record, "DELETE FROM checkpoints")
    checkpoint(record.engine, Ed25519PrivateKey.generate())
    assert check(record, trust=False).findings == []
    (line,) = said(record)
    assert line.startswith("record 33: its checkpoint is signed with another key")


@pytest.mark.parametrize(
    "change",
    ["at_ms = at_ms + 1", "link = public_key", "public_key = link", "signature = link", "seq = 25"],
)
def test_a_changed_checkpoint_is_named(database: str, change: str) -> None:
    record = fill(database)
    run(record, f"UPDATE checkpoints SET {change} WHERE seq = 16")
    seq = 25 if change.startswith("seq") else 16
    assert said(record) == [f"record {seq}: the signature of its checkpoint is wrong"]


def test_a_configuration_that_is_not_what_its_name_says_or_missing(database: str) -> None:
    record = fill(database)
    run(record, "UPDATE configurations SET body = REPLACE(body, '1.0.0', '1.0.1')")
    assert said(record) == [f"configuration {NAME[:12]}: its body does not hash to its name"]
    run(record, "DELETE FROM configurations")
    assert said(record) == [f"record 1: it refers to configuration {NAME[:12]}, which is missing"]


def test_values_of_another_type_and_broken_text_are_findings(tmp_path: Path) -> None:
    record = fill(f"sqlite:///{tmp_path / 'record.db'}")
    run(
        record,
        "UPDATE records SET at_ms = 'soon' WHERE seq = 3",
        "UPDATE records SET link = 'text' WHERE seq = 8",
        "UPDATE records SET body = x'00ff' WHERE seq = 12",
        "UPDATE records SET body = CAST(x'7bff7d' AS TEXT) WHERE seq = 17",
        "UPDATE records SET id = CAST(x'ff' AS TEXT) WHERE seq = 22",
    )
    assert [line.split(":")[0] for line in said(record)] == [f"record {seq}" for seq in (3, 8, 12, 17, 22)]


def test_a_chain_without_records_holds_and_one_without_a_row_is_none(database: str) -> None:
    record = fill(database, decisions=0)
    run(record, "DELETE FROM records", "UPDATE chain SET seq = 0, link = pruned_link")
    assert check(record).findings == []
    run(record, "DELETE FROM chain")
    with pytest.raises(NoRecordError, match="0 rows in the table chain"):
        check(record)


def test_findings_beyond_the_first_ones_are_counted(database: str) -> None:
    record = fill(database, decisions=200)
    run(record, "UPDATE records SET link = body_sha256")
    report = check(record)
    assert report.findings[0].seq == 1
    assert report.more > 0
    assert len(report.findings) < 2 * MAX_FINDINGS
