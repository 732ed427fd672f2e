"""The columns of the output, and its formats; the same columns in each."""

from __future__ import annotations

import csv
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from pydantic_core import to_json

from evenhand.models.bundle.manifest import Manifest
from evenhand.service.bulk.answers import AnsweredRow
from evenhand.service.bulk.columns import RowColumns
from evenhand.service.types import Answer, Decision
from evenhand.tables.arrow import PlainType
from evenhand.tables.read import DELIMITERS, PARQUET
from evenhand.tables.table import DataError

LINES = (".jsonl", ".ndjson")
FORMATS = (*DELIMITERS, *LINES, PARQUET)
GROUP_ROWS = 65_536
"""Rows of a row group of a Parquet file at least, but for its last one."""
Type = Literal["int64", "string", "double", "bool"]
READ: dict[PlainType, Callable[[str], Any]] = {"int64": int, "double": float, "bool": "True".__eq__}
"""A text of the one reader of tables back to its value."""
Cells = dict[str, list[Any]]
"""``(rows,)`` values by column."""


@dataclass(frozen=True)
class OutputColumns:
    """What an output holds of each row.

    Args:
        manifest: Of the model.
        columns: Of the file that is read.
        recorded: Whether each row has the id of its decision on record.
        plain: Types of the file's columns, where it states them; others are texts.
    """

    manifest: Manifest
    columns: RowColumns
    recorded: bool
    plain: Mapping[str, PlainType] = field(default_factory=dict)

    def types(self) -> dict[str, Type]:
        """The type of each column, in order.

        Raises:
            DataError: a column to copy has the name of one of ours.
        """
        own: dict[str, Type] = {"row": "int64", "id": self._type(self.columns.id), "decision": "string"}
        if not self.columns.id:
            del own["id"]
        if not self.recorded:
            del own["decision"]
        answers: dict[str, Type] = {"label": "string", "score": "double"}
        answers |= {f"score.{label}": "double" for label in self.manifest.labels}
        answers |= {"base_label": "string", "base_score": "double", "corrected": "bool"}
        for name in self.manifest.attribute_names:
            answers |= {f"risk.{name}": "double", f"flagged.{name}": "bool"}
        answers |= {"shadow_label": "string", "shadow_score": "double", "abstained": "string"}
        answers |= {"truncated": "bool", "error": "string"}
        if taken := [name for name in self.columns.keep if name in own or name in answers]:
            raise DataError(
                f"--keep {taken[0]}: the output has a column {taken[0]!r} of its own; copy it under another "
                f"name: --keep {self.columns.keep[taken[0]]}={taken[0]}_of_file"
            )
        return own | {new: self._type(name) for new, name in self.columns.keep.items()} | answers

    def _type(self, column: str | None) -> Type:
        return self.plain.get(column or "", "string")

    def cells(self, rows: Sequence[AnsweredRow], ids: Sequence[str]) -> Cells:
        """The values of each column.

        Args:
            rows: With their answers.
            ids: Of their decisions on record, if they are recorded.
        """
        cells: Cells = {name: [] for name in self.types()}
        for place, row in enumerate(rows):
            values = self._of_file(row)
            if self.recorded:
                values["decision"] = ids[place]
            values |= self._of_answer(row)
            for name, column in cells.items():
                column.append(values.get(name))
        return cells

    def _of_file(self, row: AnsweredRow) -> dict[str, Any]:
        values: dict[str, Any] = {"row": row.number}
        if self.columns.id:
            values["id"] = self._typed(row, self.columns.id)
        return values | {new: self._typed(row, name) for new, name in self.columns.keep.items()}

    def _typed(self, row: AnsweredRow, column: str) -> Any:  # noqa: ANN401 - of the column's type
        text = row.values.get(column)
        return text if text is None or column not in self.plain else READ[self.plain[column]](text)

    def _of_answer(self, row: AnsweredRow) -> dict[str, Any]:
        decision = row.result
        if not isinstance(decision, Decision):
            return {"error": decision}
        values = {"label": decision.final.label, "score": decision.final.score}
        values |= {f"score.{label}": score for label, score in decision.final.scores.items()}
        values |= _answer("base", decision.base) | {"corrected": decision.corrected}
        for verdict in decision.verdicts:
            values[f"risk.{verdict.attribute}"] = verdict.risk if math.isfinite(verdict.risk) else None
            values[f"flagged.{verdict.attribute}"] = verdict.flagged
        shadow = _answer("shadow", decision.shadow) if decision.shadow else {}
        return values | shadow | {"abstained": decision.abstained, "truncated": row.truncated}


def _answer(whose: str, answer: Answer) -> dict[str, Any]:
    return {f"{whose}_label": answer.label, f"{whose}_score": answer.score}


class Format(ABC):
    """Writes chunks of rows one after another.

    A chunk's bytes depend on nothing but the chunk, so that an interrupted output goes on where it was.

    Args:
        types: Of the columns.
    """

    def __init__(self, types: Mapping[str, Type]) -> None:
        self.types = types

    def head(self) -> bytes:
        """What comes before the first chunk."""
        return b""

    @abstractmethod
    def chunk(self, cells: Cells) -> bytes:
        """The bytes of a chunk."""

    def finish(self, draft: Path, out: Path) -> bool:
        """Make the output of all chunks, if it is more than their bytes; says whether it is."""
        return False


class Lines(Format):
    """One JSON object per row."""

    def chunk(self, cells: Cells) -> bytes:
        """One line per row."""
        rows = zip(*cells.values(), strict=True)
        # JSON has no infinity: a copied one becomes a text.
        lines = [to_json(dict(zip(cells, row, strict=True)), inf_nan_mode="strings") + b"\n" for row in rows]
        return b"".join(lines)


class Delimited(Format):
    """CSV or TSV, with a header.

    Args:
        types: Of the columns.
        delimiter: What stands between cells.
    """

    def __init__(self, types: Mapping[str, Type], delimiter: str) -> None:
        super().__init__(types)
        self._delimiter = delimiter

    def head(self) -> bytes:
        """The header."""
        return self._text([list(self.types)])

    def chunk(self, cells: Cells) -> bytes:
        """One line per row."""
        return self._text(list(zip(*cells.values(), strict=True)))

    def _text(self, rows: Sequence[Sequence[Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()


class Parquet(Format):
    """Arrow's stream format while it grows, a chunk each; a Parquet file at the end."""

    def __init__(self, types: Mapping[str, Type]) -> None:
        super().__init__(types)
        self._schema = arrow_schema(types)

    def chunk(self, cells: Cells) -> bytes:
        """One stream with one batch."""
        import pyarrow as pa

        file = io.BytesIO()
        with pa.ipc.new_stream(file, self._schema) as stream:
            stream.write_batch(pa.RecordBatch.from_pydict(cells, schema=self._schema))
        return file.getvalue()

    def finish(self, draft: Path, out: Path) -> bool:
        """A Parquet file with large row groups, whatever the chunks were."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with pq.ParquetWriter(out, self._schema) as writer, draft.open("rb") as file:
            waiting: list[Any] = []
            for batch in _batches(file):
                waiting.append(batch)
                if sum(each.num_rows for each in waiting) >= GROUP_ROWS:
                    writer.write_table(pa.Table.from_batches(waiting), row_group_size=2 * GROUP_ROWS)
                    waiting = []
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting), row_group_size=2 * GROUP_ROWS)
        return True


def _batches(file: IO[bytes]) -> Iterator[Any]:
    """The batches of streams that follow one another."""
    import pyarrow as pa

    while file.peek(1):  # type: ignore[attr-defined]
        with pa.ipc.open_stream(file) as stream:
            yield from stream


def arrow_schema(types: Mapping[str, Type]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The columns as Arrow types them.

    Raises:
        DataError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise DataError(
            "Parquet needs the package pyarrow: pip install 'evenhand[parquet]', or write a .csv file"
        ) from error
    kinds = {"int64": pa.int64(), "string": pa.string(), "double": pa.float64(), "bool": pa.bool_()}
    return pa.schema([(name, kinds[kind]) for name, kind in types.items()])


def format_of(out: Path, types: Mapping[str, Type]) -> Format:
    """The format that a file's name says.

    Raises:
        DataError: it says none.
    """
    suffix = out.suffix.lower()
    if suffix in DELIMITERS:
        return Delimited(types, DELIMITERS[suffix])
    chosen: dict[str, Callable[[Mapping[str, Type]], Format]] = {PARQUET: Parquet}
    chosen |= dict.fromkeys(LINES, Lines)
    if suffix not in chosen:
        raise DataError(f"--out {out}: expected a file ending in {', '.join(FORMATS)}")
    return chosen[suffix](types)
