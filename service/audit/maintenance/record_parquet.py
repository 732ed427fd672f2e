"""An export of the record as a Parquet file: the head in its metadata, a row per record.

Columns of a decision stand beside its body, for those who analyse; the body is what was hashed, and the check
of a file compares both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json, to_json

SUFFIX = ".parquet"
HEAD = b"evenhand_audit"
"""Key of the head in the file's metadata."""
GROUP_ROWS = 50_000
"""Rows of a row group at least, but for the last one."""
TEXTS = ("model", "version", "label", "base_label", "abstained", "error")
NUMBERS = ("score", "base_score", "p_favourable")


class ParquetMissing(ValueError):
    """pyarrow is not installed."""


class ParquetExport:
    """Writes records to a file, in order.

    Args:
        file: Open for writing.
        head: As the first line of an export of JSON lines has it.

    Raises:
        ParquetMissing: pyarrow is not installed.
    """

    def __init__(self, file: IO[bytes], head: bytes) -> None:
        pq = _pyarrow()
        self._schema = _schema().with_metadata({HEAD: head})
        self._writer = pq.ParquetWriter(file, self._schema)
        self._waiting: list[dict[str, Any]] = []

    def write(self, lines: Sequence[dict[str, Any]]) -> None:
        """Add records, each as a line of JSON has it."""
        self._waiting += [_row(line) for line in lines]
        if len(self._waiting) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what waits, and the file's end."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
            self._waiting = []


def lines_of(path: Path) -> Iterator[bytes]:
    """The head, and each record as a line of JSON; an empty line where its columns differ from its body.

    Raises:
        ParquetMissing: pyarrow is not installed.
        ValueError: it is no Parquet file, or one of something else.
    """
    pq = _pyarrow()
    file = pq.ParquetFile(path)
    yield (file.schema_arrow.metadata or {}).get(HEAD, b"")
    for batch in file.iter_batches(batch_size=2000):
        for row in batch.to_pylist():
            yield _line(row)


def _line(row: dict[str, Any]) -> bytes:
    own = {name: row.get(name) for name in ("seq", "id", "kind", "at_ms", "subject", "body")}
    line = {**own, "body_sha256": row.get("body_sha256"), "link": row.get("link")}
    return b"\n" if _is_hashed(line) and _differs(row, line) else to_json(line)


def _is_hashed(line: dict[str, Any]) -> bool:
    """Whether the body is what was hashed; the check of the chain tells if it is not."""
    return line["body"] is not None and sha256(line["body"].encode()).hexdigest() == line["body_sha256"]


def _differs(row: dict[str, Any], line: dict[str, Any]) -> bool:
    return any(row.get(name) != value for name, value in _decision(line).items())


def _row(line: dict[str, Any]) -> dict[str, Any]:
    attributes = to_json(line["attributes"]).decode() if "attributes" in line else None
    return {**line, **_decision(line), "time": line["at_ms"], "attributes": attributes}


def _decision(line: dict[str, Any]) -> dict[str, Any]:
    """The columns of a decision, from its body; of any other record they are null."""
    body = from_json(line["body"]) if line["kind"] == "decision" and line["body"] else {}
    final, base = body.get("final") or {}, body.get("base") or {}
    return {
        **{name: body.get(name) for name in ("model", "version", "abstained", "error", "p_favourable")},
        "label": final.get("label"),
        "score": final.get("score"),
        "base_label": base.get("label"),
        "base_score": base.get("score"),
        "corrected": body.get("corrected"),
        "flagged": body.get("flagged"),
    }


def _schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    return pa.schema(
        [
            ("seq", pa.int64()),
            ("id", text),
            ("kind", text),
            ("time", pa.timestamp("ms", "UTC")),
            ("at_ms", pa.int64()),
            ("subject", text),
            ("body", text),
            ("body_sha256", text),
            ("link", text),
            ("attributes", text),
            *((name, text) for name in TEXTS),
            *((name, number) for name in NUMBERS),
            ("corrected", pa.bool_()),
            ("flagged", pa.list_(text)),
        ]
    )


def _pyarrow() -> Any:  # noqa: ANN401
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ParquetMissing("Parquet needs the package pyarrow: pip install 'evenhand[parquet]'") from error
    return pq
