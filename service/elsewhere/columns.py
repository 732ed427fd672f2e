"""Checks many decisions of one model at once, column by column.

What is unusual about a row is left to :class:`evenhand.service.elsewhere.rows.RowReader`, which says what a
decision may be and what is wrong with one. So both give the same rows; this is the quick way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.service.audit.elsewhere.columns import ReportedColumns
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.elsewhere.fields import Column, Fields
from evenhand.service.elsewhere.rows import (
    SUM_TOLERANCE,
    UNREADABLE,
    Faulty,
    RowError,
    RowReader,
    input_of,
    own_id_of,
)
from evenhand.service.ids import OWN_ID_CHARACTERS

WORDS = 10_000
"""Values of one column whose meaning is kept at most."""
CLOSE = 1e-9
"""What is so near to a limit is compared as single numbers."""
Scores = NDArray[np.float64]


@dataclass(slots=True)
class CheckedRows:
    """Decisions of one model that can be recorded."""

    model: ObservedModel
    places: Sequence[int]
    """Number of each one's line or row, from 1."""
    columns: ReportedColumns
    items: list[Any]
    """Their inputs, as a bundle takes them; ``None`` for one that came without."""

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.places)

    def take(self, rows: Sequence[int]) -> CheckedRows:
        """Some of the rows."""
        places, items = [self.places[row] for row in rows], [self.items[row] for row in rows]
        return CheckedRows(self.model, places, self.columns.take(rows), items)


class ColumnReader:
    """Checks the decisions of one model.

    Args:
        reader: Checks one decision.
    """

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self.model, self.unlisted = reader.model, reader.unlisted
        self._label_words = _Words(lambda value: reader.label(value, "prediction"))
        self._group_words = {
            each.name: _Words(lambda value, name=each.name: reader.group(name, value))  # type: ignore[misc]
            for each in reader.model.attributes
        }

    def read(self, fields: Fields, names: Sequence[str]) -> tuple[CheckedRows, list[Faulty]]:
        """Check decisions.

        Args:
            fields: Of the decisions.
            names: Their new ids.
        """
        odd: set[int] = set()
        try:
            checked = self._read(fields, list(names), odd)
        except _Unusual:
            odd = set(range(len(fields)))
            checked = self._blank(fields, list(names))
        faulty = self._read_odd(fields, checked, odd)
        if faulty:
            gone = {each.place for each in faulty}
            checked = checked.take([row for row, place in enumerate(fields.places) if place not in gone])
        return checked, faulty

    def _blank(self, fields: Fields, names: list[str]) -> CheckedRows:
        size = len(names)
        columns = ReportedColumns(
            ids=names,
            own_ids=[None] * size,
            labels=[""] * size,
            scores=[None] * size,
            p=[None] * size,
            truths=[None] * size,
            groups={name: [None] * size for name in self._group_words},
            digests=[""] * size,
            shadows=[None] * size,
        )
        return CheckedRows(self._reader.model, fields.places, columns, [None] * size)

    def _read_odd(self, fields: Fields, checked: CheckedRows, odd: set[int]) -> list[Faulty]:
        """Check the rows that are left, one by one; returns those that cannot be recorded."""
        faulty = []
        for row in sorted(odd):
            place = fields.places[row]
            try:
                one = self._reader.read(checked.columns.ids[row], fields.row(row))
            except RowError as error:
                faulty.append(Faulty(place, str(error)))
            except (ValueError, OverflowError, RecursionError):  # such as a number of ten thousand digits
                faulty.append(Faulty(place, UNREADABLE))
            else:
                checked.columns.put(row, one.row)
                checked.items[row] = one.item
        return faulty

    def _read(self, fields: Fields, names: list[str], odd: set[int]) -> CheckedRows:
        """Check what is usual; ``odd`` gets the rows that are not.

        Raises:
            _Unusual: all of them are to be read one by one.
        """
        checked = self._blank(fields, names)
        columns, sent = checked.columns, fields.columns
        columns.own_ids = _own_ids(sent.get("id", columns.own_ids), odd)
        columns.truths = self._label_words.column(sent.get("label", columns.truths), odd)
        labels = self._label_words.column(sent.get("prediction", [None] * len(names)), odd)
        self._answers(fields, labels, columns, odd)
        self._groups(fields, columns, odd)
        self._inputs(fields, checked, odd)
        for name, column in columns.groups.items():
            # The row reader counts those that it reads.
            unlisted = column.count(UNKNOWN_GROUP) - sum([column[row] == UNKNOWN_GROUP for row in odd])
            if unlisted:
                self.unlisted[name] += unlisted
        return checked

    def _answers(
        self, fields: Fields, labels: list[str | None], columns: ReportedColumns, odd: set[int]
    ) -> None:
        """Labels, their scores, and the probability of a favourable one."""
        scores = _scores(fields, self._reader.model.labels)
        score = _numbers(fields.columns.get("score", []), odd)
        if len(score):  # it is that of a prediction
            odd.update(row for row, label in enumerate(labels) if label is None and not np.isnan(score[row]))
        if scores is not None:
            labels = self._of_scores(scores, labels, columns, odd)
        elif len(score):
            self._of_score(score, labels, columns)
        odd.update(row for row, label in enumerate(labels) if label is None)
        columns.labels = [label or "" for label in labels]

    def _of_score(self, score: Scores, labels: Sequence[str | None], columns: ReportedColumns) -> None:
        """The score of the decided label alone: of two labels it is that of both."""
        columns.scores = _optional(score)
        if len(self._reader.model.labels) == 2:
            is_favourable = np.fromiter(
                (label in self._reader.favourable for label in labels), np.bool_, len(labels)
            )
            columns.p = _optional(np.where(is_favourable, score, 1.0 - score))

    def _of_scores(
        self, scores: Scores, labels: list[str | None], columns: ReportedColumns, odd: set[int]
    ) -> list[str | None]:
        """The scores of all labels, ``(rows, labels)``; returns the decided labels."""
        listed = self._reader.model.labels
        far = np.abs(scores.sum(axis=1) - 1.0) > SUM_TOLERANCE - CLOSE
        outside = ~((scores >= 0.0) & (scores <= 1.0)).all(axis=1)
        best = scores.argmax(axis=1)
        tied = (scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1
        odd.update(np.flatnonzero(far | outside).tolist())
        odd.update(row for row in np.flatnonzero(tied).tolist() if labels[row] is None)
        labels = [
            listed[place] if label is None else label
            for label, place in zip(labels, best.tolist(), strict=True)
        ]
        places = {label: place for place, label in enumerate(listed)}
        of_label = np.fromiter(map(places.__getitem__, labels), np.int64, len(labels))  # type: ignore[arg-type]
        columns.scores = scores[np.arange(len(labels)), of_label].tolist()
        p = np.zeros(len(labels))
        for label in self._reader.favourable:  # in its order, for sums of floats depend on it
            p = p + scores[:, places[label]]
        columns.p = np.minimum(1.0, p).tolist()
        return labels

    def _groups(self, fields: Fields, columns: ReportedColumns, odd: set[int]) -> None:
        parts = fields.nested.get("groups")
        if parts is None:
            parts = _parts(fields.columns.get("groups"), odd)
        if not parts.keys() <= self._group_words.keys():
            raise _Unusual
        for name, column in parts.items():
            columns.groups[name] = self._group_words[name].column(column, odd)

    def _inputs(self, fields: Fields, checked: CheckedRows, odd: set[int]) -> None:
        """Inputs and their digests."""
        if "features" in fields.nested:
            inputs: Sequence[int] = range(len(fields))
        else:
            columns = [
                fields.columns[name] for name in ("features", "text", "text_pair") if name in fields.columns
            ]
            inputs = [
                row
                for row, values in enumerate(zip(*columns, strict=True))
                if any(v is not None for v in values)
            ]
        for row in inputs:
            if row in odd:
                continue
            try:
                item = input_of(fields.row(row))
                if item is not None:
                    checked.columns.digests[row] = self._reader.digest(item)
                    checked.items[row] = item
            except (RowError, ValueError, OverflowError, RecursionError):
                odd.add(row)


class _Unusual(Exception):
    """A column holds what only the row reader can judge."""


class _Words:
    """What the texts or numbers of a column mean: each is looked up once.

    Args:
        meaning: Of one value; it raises ``RowError`` for one that has none.
    """

    def __init__(self, meaning: Callable[[Any], str | None]) -> None:
        self._meaning = meaning
        self._by_type: dict[type, dict[Any, str | None]] = {
            kind: {None: None} for kind in (str, int, float, bool)
        }

    def column(self, values: Column, odd: set[int]) -> list[str | None]:
        """The meanings of a column; ``odd`` gets the rows whose value has none."""
        kinds = set(map(type, values)) - {type(None)}
        kind = str if str in kinds else next(iter(kinds), str)
        meanings = self._by_type.get(kind)
        if meanings is None:
            raise _Unusual
        if len(kinds) > 1:  # 1, 1.0 and True would be the same key
            odd.update(row for row, value in enumerate(values) if type(value) not in (kind, type(None)))
            values = [value if type(value) is kind else None for value in values]
        missing, meant = values.count(None), list(map(meanings.get, values))
        if meant.count(None) != missing:
            self._learn(meanings, values)
            meant = list(map(meanings.get, values))
        if meant.count(None) != missing:
            odd.update(row for row, one in enumerate(meant) if one is None and values[row] is not None)
        return meant

    def _learn(self, meanings: dict[Any, str | None], values: Column) -> None:
        for value in set(values) - meanings.keys():
            if len(meanings) >= WORDS:
                return
            try:
                meanings[value] = self._meaning(value)
            except (RowError, ValueError, OverflowError):
                continue


def _own_ids(sent: Column, odd: set[int]) -> list[str | None]:
    kinds = set(map(type, sent)) - {type(None)}
    if kinds == {int}:
        try:
            sent = [None if one is None else str(one) for one in sent]
        except ValueError:  # of thousands of digits
            raise _Unusual from None
    elif kinds - {str}:
        odd.update(row for row, one in enumerate(sent) if not isinstance(one, str | None))
        sent = [one if isinstance(one, str) else None for one in sent]
    texts = [one for one in sent if one is not None]
    joined = "".join(texts)
    if texts and (
        not joined.isprintable()
        or " " in joined
        or not all(texts)
        or max(map(len, texts)) > OWN_ID_CHARACTERS
    ):
        odd.update(row for row, one in enumerate(sent) if one is not None and not _is_own_id(one))
    return sent


def _is_own_id(text: str) -> bool:
    try:
        return own_id_of(text) is not None
    except RowError:
        return False


def _numbers(sent: Column, odd: set[int]) -> Scores:
    """Probabilities, NaN where there is none; ``odd`` gets the rows that hold anything else."""
    kinds = set(map(type, sent))
    if kinds - {float, int, type(None)}:
        odd.update(row for row, one in enumerate(sent) if type(one) not in (float, int, type(None)))
        sent = [one if type(one) in (float, int) else None for one in sent]
    try:
        numbers = np.array(sent, dtype=np.float64)  # None is NaN
    except OverflowError:
        raise _Unusual from None
    bad = ~((numbers >= 0.0) & (numbers <= 1.0))
    if bad.any():
        odd.update(row for row in np.flatnonzero(bad).tolist() if sent[row] is not None)
    return numbers


def _optional(numbers: Scores) -> list[float | None]:
    """Numbers as a list, with ``None`` for NaN."""
    missing = np.isnan(numbers)
    if not missing.any():
        return numbers.tolist()  # type: ignore[no-any-return]
    return np.where(missing, None, numbers).tolist()  # type: ignore[no-any-return,call-overload]


def _scores(fields: Fields, labels: Sequence[str]) -> Scores | None:
    """The scores of all labels, ``(rows, labels)``; ``None`` if none were sent.

    Raises:
        _Unusual: not every row has all of them.
    """
    columns = _score_columns(fields, labels)
    if columns is None:
        return None
    if any(set(map(type, column)) - {float, int} for column in columns.values()):
        raise _Unusual
    try:
        scores = {label: np.array(column, dtype=np.float64) for label, column in columns.items()}
    except OverflowError:
        raise _Unusual from None
    if len(labels) == 2 and len(scores) == 1:  # the other one follows
        ((present, of_present),) = scores.items()
        (other,) = set(labels) - {present}
        scores[other] = np.maximum(0.0, 1.0 - of_present)
    if scores.keys() != set(labels):
        raise _Unusual
    return np.stack([scores[label] for label in labels], axis=1)


def _score_columns(fields: Fields, labels: Sequence[str]) -> dict[str, Column] | None:
    """The scores that were sent, by label."""
    if "scores" in fields.nested:
        return fields.nested["scores"]
    sent = fields.columns.get("scores")
    if sent is None:
        return None
    if set(map(type, sent)) == {list} and set(map(len, sent)) == {len(labels)}:
        return {label: [row[place] for row in sent] for place, label in enumerate(labels)}
    if set(map(type, sent)) != {dict}:
        raise _Unusual
    names = set(sent[0])
    if not all([row.keys() == names for row in sent]):
        raise _Unusual
    return {name: [row[name] for row in sent] for name in names}


def _parts(sent: Column | None, odd: set[int]) -> dict[str, Column]:
    """The parts of a column of objects, each as a column."""
    if sent is None:
        return {}
    kinds = set(map(type, sent)) - {type(None)}
    if kinds - {dict}:
        odd.update(row for row, one in enumerate(sent) if not isinstance(one, dict | None))
    objects = (
        sent
        if kinds == {dict} and None not in sent
        else [one if isinstance(one, dict) else {} for one in sent]
    )
    names = {name for shape in set(map(tuple, objects)) for name in shape}
    return {name: [one.get(name) for one in objects] for name in names}
