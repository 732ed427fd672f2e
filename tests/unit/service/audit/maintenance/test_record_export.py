"""An exported file can be verified on its own, and holds no more than it may."""

import json
import os
import stat
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from recorded import BEGIN_MS, DAY_MS, Recorded, fill
from sqlalchemy import select

from evenhand.service.audit.checkpoints import public_bytes
from evenhand.service.audit.maintenance.checker import Report
from evenhand.service.audit.maintenance.record_export import (
    Disclosure,
    ExportPeriod,
    Range,
    RecordExportError,
    export,
    span,
    verify_file,
)
from evenhand.service.audit.maintenance.retention import erase, prune
from evenhand.service.audit.tables import records

WHOLE = ExportPeriod()


def quiet(done: int, total: int) -> None:
    pass


def write(
    record: Recorded, out: Path, period: ExportPeriod = WHOLE, disclosure: Disclosure | None = None
) -> Path:
    export(record.engine, span(record.engine, period), out, disclosure, quiet)
    return out


def check(record: Recorded, file: Path) -> Report:
    return verify_file(file, [], frozenset([public_bytes(record.signer)]), quiet)


def said(record: Recorded, file: Path) -> list[str]:
    return [str(finding) for finding in check(record, file).findings]


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_a_file_verifies_on_its_own(database: str, tmp_path: Path, name: str) -> None:
    record = fill(database, decisions=300)
    out = write(record, tmp_path / name)
    report = check(record, out)
    assert report.findings == []
    assert (report.records, report.decisions, report.held, report.uncompared) == (481, 300, 60, 0)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert os.listdir(tmp_path).count(name) == 1
    assert not any(file.name.endswith(".part") for file in tmp_path.iterdir())


def test_a_file_can_be_verified_by_hand_from_what_its_head_says(database: str, tmp_path: Path) -> None:
    """Without a line of ours: this is what its first line tells an auditor to do."""
    lines = [
        json.loads(line) for line in write(fill(database), tmp_path / "out.jsonl").read_text().splitlines()
    ]
    head, before = lines[0], bytes.fromhex(lines[0]["before"]["link"])
    links = {}
    for line in lines[1:]:
        digest = sha256(line["body"].encode()).digest()
        assert digest.hex() == line["body_sha256"]
        header = "|".join(str(line[name] or "") for name in ("seq", "id", "kind", "at_ms", "subject")) + "|"
        before = sha256(before + header.encode() + digest).digest()
        assert before.hex() == line["link"]
        links[line["seq"]] = line["link"]
    assert head["last"] == {"seq": 33, "link": before.hex()}
    for one in head["checkpoints"]:
        assert one["link"] == links[one["seq"]]
        message = f"evenhand checkpoint 1|{one['seq']}|{one['link']}|{one['at_ms']}"
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(head["public_key"])).verify(
            bytes.fromhex(one["signature"]), message.encode()
        )
    assert all(sha256(body.encode()).hexdigest() == name for name, body in head["configurations"].items())
    assert set(lines[1]) <= set(head["fields"])


def test_a_period_is_a_part_of_the_chain(database: str, tmp_path: Path) -> None:
    record = fill(database, decisions=50, days=100)
    period = ExportPeriod(BEGIN_MS + 30 * DAY_MS, BEGIN_MS + 60 * DAY_MS)
    assert span(record.engine, period) == Range(25, 48)
    report = check(record, write(record, tmp_path / "out.jsonl", period))
    assert report.findings == []
    assert (report.first, report.last, report.held, report.decisions) == (25, 48, 4, 15)
    with pytest.raises(RecordExportError, match="no record in this period"):
        span(record.engine, ExportPeriod(BEGIN_MS - DAY_MS, BEGIN_MS))


def test_what_was_pruned_and_erased_is_told_of_in_the_file(database: str, tmp_path: Path) -> None:
    record = fill(database, decisions=50, days=100)
    prune(record.engine, 55, 35, BEGIN_MS + 100 * DAY_MS, quiet)
    erase(record.engine, record.keys, [record.decisions[-1]], "Ada", quiet)
    report = check(record, write(record, tmp_path / "out.jsonl"))
    assert (report.findings, report.first, report.last, report.erased) == ([], 41, 83, 2)
    part = write(record, tmp_path / "part.jsonl", ExportPeriod(to_ms=BEGIN_MS + 100 * DAY_MS))
    assert check(record, part).findings == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda lines: lines[:7] + lines[8:], "record 7: it is missing"),
        (lambda lines: lines[:-1], "record 33: it is missing: the end was cut off"),
        (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "record 5: it is missing"),
        (
            lambda lines: [*lines[:5], lines[5].replace("configuration", "convocation"), *lines[6:]],
            "record 5: its body was changed",
        ),
        (
            lambda lines: [*lines[:5], "{}", *lines[5:]],
            "record 4: line 6 of the file, after this record, is none",
        ),
        (lambda lines: [lines[0].replace("1.0.0", "1.0.1"), *lines[1:]], "configuration "),
    ],
)
def test_what_is_done_to_a_file_is_found(tmp_path: Path, change, what: str) -> None:
    record = fill(f"sqlite:///{tmp_path / 'record.db'}")
    out = write(record, tmp_path / "out.jsonl")
    out.write_text("\n".join(change(out.read_text().splitlines())) + "\n")
    assert said(record, out)[0].startswith(what)


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("body", '{"v": 1}', "record 5: its body was changed"),
        ("body", "no JSON", "record 5: its body was changed"),
        ("at_ms", 1, "record 5: "),
        ("label", "other", "record 4: line 6 of the file, after this record, is none"),
        ("corrected", None, "record 4: line 6 of the file, after this record, is none"),
    ],
)
def test_what_is_done_to_a_parquet_file_is_found(
    tmp_path: Path, column: str, value: object, what: str
) -> None:
    record = fill(f"sqlite:///{tmp_path / 'record.db'}")
    out = write(record, tmp_path / "out.parquet")
    table = pq.read_table(out)
    rows = table.to_pylist()
    assert rows[4]["kind"] == "decision"
    rows[4][column] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out)
    assert said(record, out)[0].startswith(what)


def test_a_parquet_file_has_the_lines_of_the_other_and_a_decision_s_columns(
    database: str, tmp_path: Path
) -> None:
    record = fill(database)
    lines = [json.loads(line) for line in write(record, tmp_path / "out.jsonl").read_text().splitlines()[1:]]
    rows = pq.read_table(write(record, tmp_path / "out.parquet")).to_pylist()
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert row["time"].timestamp() * 1000 == row["at_ms"]
        assert {name: row[name] for name in line if name != "time"} == {
            name: value for name, value in line.items() if name != "time"
        }
        body = json.loads(row["body"])
        final = body.get("final") or {}
        assert (row["label"], row["score"]) == (final.get("label"), final.get("score"))
        assert row["error"] == body.get("error")


def test_a_file_that_is_cut_off_or_none_of_ours(tmp_path: Path) -> None:
    record = fill(f"sqlite:///{tmp_path / 'record.db'}", decisions=200)
    out = write(record, tmp_path / "out.jsonl.gz")
    out.write_bytes(out.read_bytes()[: out.stat().st_size // 2])
    assert said(record, out)[-1].endswith("to 321 are missing: the end was cut off")
    for text in ("", "{}\n", "[]\n", '{"evenhand_audit": 2}\n', "not JSON\n"):
        (tmp_path / "other.jsonl").write_text(text)
        with pytest.raises(RecordExportError, match="first line"):
            said(record, tmp_path / "other.jsonl")
    (tmp_path / "other.jsonl.gz").write_bytes(b"not compressed")
    with pytest.raises(RecordExportError, match="first line"):
        said(record, tmp_path / "other.jsonl.gz")
    with pytest.raises(RecordExportError, match="cannot be read"):
        said(record, tmp_path / "absent.jsonl")
    with pytest.raises(RecordExportError, match="is there already"):
        write(record, out)


def test_sensitive_attributes_leave_only_when_asked_for_and_that_is_recorded_first(
    database: str, tmp_path: Path
) -> None:
    record = fill(database)
    plain = write(record, tmp_path / "plain.jsonl").read_text()
    assert "female" not in plain
    assert "pseudonym" not in plain
    with_them = write(
        record, tmp_path / "with.jsonl", disclosure=Disclosure(record.keys, "audit of 2026", "Ada")
    )
    lines = [json.loads(line) for line in with_them.read_text().splitlines()]
    assert lines[0]["purpose"] == "audit of 2026"
    assert sum(line.get("attributes") == {"sex": "female"} for line in lines) == 20
    assert check(record, with_them).findings == []
    with record.engine.connect() as connection:
        body = json.loads(
            connection.execute(select(records.c.body).where(records.c.kind == "access")).scalar_one()
        )
    assert (body["purpose"], body["by"], body["decisions"], body["last"]) == ("audit of 2026", "Ada", 20, 33)


@pytest.mark.parametrize("value", [None, True, -1, 10**30, 1e300, "x", "00" * 32, [], [None], {}, {"seq": 1}])
def test_whatever_a_file_says_is_a_finding_or_refused(tmp_path: Path, value: object) -> None:
    record = fill(f"sqlite:///{tmp_path / 'record.db'}", decisions=5)
    erase(record.engine, record.keys, record.decisions[:1], "Ada", quiet)
    text = write(record, tmp_path / "out.jsonl").read_text()
    file = tmp_path / "changed.jsonl"
    for number, line in enumerate(text.splitlines()):
        entry = json.loads(line)
        for name in set(entry) - {"time", "made", "purpose", "fields", "public_key", "complete"}:
            lines = text.splitlines()
            lines[number] = json.dumps({**entry, name: value})
            file.write_text("\n".join(lines) + "\n")
            if entry[name] == value or (name == "subject" and not value and entry[name] is None):
                continue
            try:
                findings = check(record, file).findings
            except RecordExportError:
                assert number == 0
            else:
                assert findings or name == "checkpoints", (number, name)
