"""How answers change with swaps, by attribute and by direction, and the rows where they change most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.terms import Swap
from evenhand.stats import Z95, Rate
from evenhand.training.evaluation.bundle_score import Answers
from evenhand.typing import Bools, Float64s, Ints

WORST = 10
"""Examples per attribute."""


@dataclass(frozen=True)
class SwapPair:
    """A row and one swap of it, by their positions among the encoded rows."""

    row_number: int
    swap: Swap
    before: int
    after: int
    unseen: bool
    """Whether the model reads both alike: the same tokens, or a swap beyond its maximum length."""


def figures(answers: Answers, pairs: Sequence[SwapPair], manifest: Manifest) -> dict[str, Any]:
    """How answers change, by attribute."""
    good = np.array([label in manifest.favourable for label in manifest.labels])
    by_attribute = {}
    for name in dict.fromkeys(pair.swap.attribute for pair in pairs):
        of = [pair for pair in pairs if pair.swap.attribute == name]
        rows = np.array([pair.before for pair in of])
        flipped = {kind: _flipped(answers, of, kind) for kind in ("base", "final")}
        by_attribute[name] = {
            "rows": len(set(rows.tolist())),
            "swaps": len(of),
            "unseen": sum(pair.unseen for pair in of),
            "any": {kind: asdict(_any(rows, hits)) for kind, hits in flipped.items()},
            "directions": _directions(answers, of, good),
            "worst": _worst(answers, of, manifest, good),
        }
    return by_attribute


def _flipped(answers: Answers, pairs: Sequence[SwapPair], kind: str) -> Bools:
    label = answers.base if kind == "base" else answers.final
    flipped: Bools = label[[pair.before for pair in pairs]] != label[[pair.after for pair in pairs]]
    return flipped


def _any(rows: Ints, hits: Bools) -> Rate:
    """Share of rows with a hit in at least one of their swaps."""
    return Rate.of_counts(len(set(rows[hits].tolist())), len(set(rows.tolist())))


def _favourable(answers: Answers, kind: str, good: Bools) -> Float64s:
    scores = answers.base_scores if kind == "base" else answers.scores
    probability: Float64s = scores[:, good].sum(axis=1, dtype=np.float64)
    return probability


def _directions(answers: Answers, pairs: Sequence[SwapPair], good: Bools) -> list[dict[str, Any]]:
    directions = []
    for source, target in dict.fromkeys((pair.swap.source, pair.swap.target) for pair in pairs):
        of = [pair for pair in pairs if (pair.swap.source, pair.swap.target) == (source, target)]
        before, after = [pair.before for pair in of], [pair.after for pair in of]
        one: dict[str, Any] = {"source": source, "target": target}
        for kind, label in (("base", answers.base), ("final", answers.final)):
            score = _favourable(answers, kind, good)
            up = int((~good[label[before]] & good[label[after]]).sum())
            down = int((good[label[before]] & ~good[label[after]]).sum())
            one[kind] = {
                "flipped": asdict(Rate.of(_flipped(answers, of, kind))),
                "to_favourable": up,
                "to_unfavourable": down,
                "change": mean_of(score[after] - score[before]),
            }
        directions.append(one)
    return directions


def mean_of(values: Float64s) -> dict[str, Any]:
    """A mean with its 95 % interval (normal); no interval of a single value."""
    n, value = len(values), float(values.mean())
    half = Z95 * float(values.std(ddof=1)) / n**0.5 if n > 1 else None
    low, high = (None, None) if half is None else (value - half, value + half)
    return {"n": n, "value": value, "low": low, "high": high}


def _worst(
    answers: Answers, pairs: Sequence[SwapPair], manifest: Manifest, good: Bools
) -> list[dict[str, Any]]:
    """The swaps that change the served score most, each row once."""
    scores = {kind: _favourable(answers, kind, good) for kind in ("base", "final")}
    final = scores["final"]
    listed: dict[int, SwapPair] = {}
    for pair in sorted(pairs, key=lambda pair: -abs(float(final[pair.after] - final[pair.before]))):
        listed.setdefault(pair.row_number, pair)
        if len(listed) == WORST:
            break
    return [
        {
            "row_number": pair.row_number,
            "source": pair.swap.source,
            "target": pair.swap.target,
            "before": {kind: _at(answers, pair.before, kind, manifest, scores[kind]) for kind in scores},
            "after": {kind: _at(answers, pair.after, kind, manifest, scores[kind]) for kind in scores},
        }
        for pair in listed.values()
    ]


def _at(answers: Answers, place: int, kind: str, manifest: Manifest, score: Float64s) -> dict[str, Any]:
    label = (answers.base if kind == "base" else answers.final)[place]
    return {"label": manifest.labels[label], "favourable": float(score[place])}
