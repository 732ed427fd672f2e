"""JSON of any shape, whose fields the operator names by paths: TorchServe, KServe v1, moderation routes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenhand.service.proxy.answers import Said
from evenhand.service.proxy.wires.json_path import Path, Place, Unreadable, places, replaced
from evenhand.service.proxy.wires.wire import Columns, Headers


@dataclass(frozen=True, slots=True)
class JsonReply:
    """A reply, its places still in it."""

    text: str
    labels: Sequence[Place]
    """One per row; none if replies hold no label."""
    scores: Sequence[Sequence[Place]]
    """The same, for each path of scores."""
    rows: Sequence[Said]

    def written(self, changes: Mapping[int, Said]) -> tuple[bytes, dict[bytes, bytes]]:
        """The reply with other answers for some rows; every other byte stays."""
        texts: list[tuple[Place, str]] = []
        for row, said in changes.items():
            olds = [*([self.labels[row]] if self.labels else []), *(line[row] for line in self.scores)]
            news = [*([said.label] if self.labels else []), *said.scores]
            texts += [(old, _dumped(new)) for old, new in zip(olds, news, strict=True) if new != old.value]
        return replaced(self.text, texts).encode(), {}


@dataclass(frozen=True, slots=True)
class JsonReplies:
    """How one model's replies look."""

    label: Path | None
    scores: tuple[Path, ...]

    def reply(self, body: bytes, headers: Headers, rows: int | None) -> JsonReply:
        """Read a reply.

        Raises:
            Unreadable: it has not as many answers as the request has rows.
        """
        text = _text(body)
        labels = None if self.label is None else _of_rows(text, self.label, rows)
        count = len(labels) if labels is not None else rows
        scores = list[list[Place]]()
        for path in self.scores:
            scores.append(_of_rows(text, path, count))
            count = len(scores[-1])
        said = [
            Said(labels[row].value if labels else None, tuple(line[row].value for line in scores))
            for row in range(count or 0)
        ]
        return JsonReply(text, labels or [], scores, said)


@dataclass(frozen=True, slots=True)
class JsonWire(JsonReplies):
    """One model's requests and replies."""

    columns: Columns
    inputs: Path

    def items(self, body: bytes, headers: Headers) -> list[Any]:
        """The rows of a request.

        Raises:
            Unreadable: there are none at the path.
        """
        values = [place.value for place in places(_text(body), self.inputs)]
        if not self.inputs.has_rows:
            values = _rows(values[0], self.columns.kind)
        return [self.columns.row(value) for value in values]


def _of_rows(text: str, path: Path, rows: int | None) -> list[Place]:
    values = places(text, path)
    if rows is not None and len(values) != rows:
        raise Unreadable(f"{path.text}: {len(values)} answers to {rows} rows")
    return values


def _rows(value: Any, kind: str) -> list[Any]:  # noqa: ANN401 - what a client sent
    """One row, or the rows of a list: a list of numbers is one row of a table."""
    if not isinstance(value, list):
        return [value]
    return [value] if kind == "table" and value and not isinstance(value[0], (list, dict)) else value


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None


def _dumped(value: Any) -> str:  # noqa: ANN401 - a label or scores
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
