"""Read preference pairs and neutral prompts, split by prompt, so that no held-out prompt is learnt from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from evenhand.tables.read import read_table
from evenhand.tables.table import Table, Values
from evenhand.training.data.dataset import DataError

LEARN, HELD_OUT = "train", "test"


@dataclass(frozen=True)
class PairColumns:
    """What the columns of both tables are called."""

    prompt: str = "prompt"
    preferred: str = "preferred"
    dispreferred: str = "dispreferred"
    group: str | None = None
    """Whom the dispreferred answer is about; figures are then also given per group."""
    split: str | None = None
    """Says ``train`` or ``test``; by default rows are split by prompt."""


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt."""

    prompt: str
    preferred: str
    dispreferred: str
    """The biased answer."""
    group: str | None = None


@dataclass(frozen=True)
class PairsOrigin:
    """Where something was read from, for the card."""

    name: str
    sha256: str
    rows: int
    left_out: dict[str, int]
    """Rows that could not be used, by reason."""


@dataclass(frozen=True)
class Pairs:
    """All pairs of a table."""

    learn: list[Pair]
    held_out: list[Pair]
    source: PairsOrigin


@dataclass(frozen=True)
class Neutral:
    """Prompts on which nothing should change."""

    learn: list[str]
    held_out: list[str]
    source: PairsOrigin


def read_pairs(path: Path, columns: PairColumns, hold_out: float, seed: int) -> Pairs:
    """Read a table of pairs.

    Args:
        path: CSV, JSONL or Parquet.
        columns: What its columns are called.
        hold_out: Share of the prompts that is held out from learning, where no column says which.
        seed: Decides which those are.

    Raises:
        DataError: a column is missing, or either part would be empty.
    """
    table = read_table(path)
    _need(table, path, columns.prompt, columns.preferred, columns.dispreferred, columns.group, columns.split)
    left_out = _refused(table)
    kept: list[tuple[Pair, str | None]] = []
    for _, values in table.rows():
        pair = _pair(values, columns)
        part = (values.get(columns.split) or "").strip() if columns.split else None
        reason = pair if isinstance(pair, str) else _bad_part(part)
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
        elif isinstance(pair, Pair):
            kept.append((pair, part))
    held = _held_out([pair.prompt for pair, _ in kept], hold_out, seed)
    learn = [pair for pair, part in kept if (part or (HELD_OUT if pair.prompt in held else LEARN)) == LEARN]
    tested = [
        pair for pair, part in kept if (part or (HELD_OUT if pair.prompt in held else LEARN)) == HELD_OUT
    ]
    _refuse_leaks(path, {pair.prompt for pair in learn} & {pair.prompt for pair in tested})
    _refuse_empty(path, "pairs", len(learn), len(tested), left_out)
    return Pairs(learn, tested, PairsOrigin(path.name, table.sha256, table.total, left_out))


def read_neutral(path: Path, column: str, hold_out: float, seed: int) -> Neutral:
    """Read a table of neutral prompts.

    Args:
        path: CSV, JSONL or Parquet.
        column: Where the prompt is.
        hold_out: Share of the prompts that is held out from learning.
        seed: Decides which those are.

    Raises:
        DataError: the column is missing, or either part would be empty.
    """
    table = read_table(path)
    _need(table, path, column)
    left_out = _refused(table)
    texts = list(dict.fromkeys(text for _, values in table.rows() if (text := _usable(values.get(column)))))
    unused = len(table) - len(texts)
    if unused:
        left_out["empty or seen before"] = unused
    held = _held_out(texts, hold_out, seed)
    learn = [text for text in texts if text not in held]
    _refuse_empty(path, "neutral prompts", len(learn), len(held), left_out)
    source = PairsOrigin(path.name, table.sha256, table.total, left_out)
    return Neutral(learn, [text for text in texts if text in held], source)


def _pair(values: Values, columns: PairColumns) -> Pair | str:
    """A row's pair, or why it has none."""
    texts = [_usable(values.get(name)) for name in (columns.prompt, columns.preferred, columns.dispreferred)]
    prompt, preferred, dispreferred = texts
    if not prompt or not preferred or not dispreferred:
        return "prompt or answer empty"
    if preferred == dispreferred:
        return "both answers are the same"
    group = (values.get(columns.group) or "").strip() or None if columns.group else None
    return Pair(prompt, preferred, dispreferred, group)


def _bad_part(part: str | None) -> str | None:
    return None if part in (None, LEARN, HELD_OUT) else f"split is neither {LEARN} nor {HELD_OUT}"


def _usable(text: str | None) -> str | None:
    """The text, unless it is empty."""
    return text if text is not None and text.strip() else None


def _refused(table: Table) -> dict[str, int]:
    """Rows that cannot be read, by reason."""
    return dict(Counter(row.reason for row in table.refused))


def _held_out(prompts: Sequence[str], share: float, seed: int) -> set[str]:
    """A share of the different prompts, by the order of their hashes: the same whatever the order of rows."""
    different = sorted(set(prompts), key=lambda prompt: sha256(f"{seed}:{prompt}".encode()).digest())
    return set(different[: max(1, round(share * len(different)))])


def _need(table: Table, path: Path, *names: str | None) -> None:
    for name in names:
        if name is not None and name not in table.columns:
            raise DataError(f"{path}: no column {name!r}; it has {', '.join(table.columns)}")


def _refuse_leaks(path: Path, both: set[str]) -> None:
    if both:
        raise DataError(
            f"{path}: {len(both)} prompts are in both train and test; give each prompt to one of them"
        )


def _refuse_empty(path: Path, what: str, learn: int, held_out: int, left_out: dict[str, int]) -> None:
    if learn < 2 or not held_out:
        why = (
            "; left out: " + ", ".join(f"{n} ({reason})" for reason, n in left_out.items())
            if left_out
            else ""
        )
        raise DataError(
            f"{path}: {learn} {what} to learn from and {held_out} held out; at least 2 and 1 are needed{why}"
        )
