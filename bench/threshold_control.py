"""A bundle beside the control that a sceptic tries first: one global threshold on the base's own scores.

``python -m bench.threshold_control BUNDLE RECIPE --data <folder of all data sets> [--unseen ghc]``

The threshold (one offset per class) is chosen on the recipe's validation rows, for the bundle's target: once
within its limits, and once at the bundle's own cost, which is the accuracy that the bundle loses there.
A bundle is certified, so it spends less than the limit; a threshold is not. All figures are of test rows;
``--unseen`` takes those of a data set that nothing learnt from, if the recipe has a reader ``read_<name>``.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.scores import scores
from evenhand.models.bundle.bundle import load
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.stats import Rate, basic_bootstrap
from evenhand.training.baselines.global_threshold import best_offsets
from evenhand.training.choice.scorer import TargetScorer
from evenhand.training.data.attributes import with_intersections
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.targets import figure, hits, rate_rows

DRAWS = 1000
"""Of the rows, for the intervals of the target's figures."""


@dataclass(frozen=True)
class Answers:
    """Classes of some rows ``(rows,)``, by who answers."""

    base: np.ndarray
    served: np.ndarray
    threshold: np.ndarray
    """Within the target's limits."""
    at_cost: np.ndarray
    """At no more than the bundle's own loss of accuracy."""


def chosen_offsets(
    rows: Rows, schema: Schema, at: np.ndarray, logits: np.ndarray, target: Target
) -> np.ndarray:
    """One offset per class, best for the target on some rows whose base scores are ``(rows, classes)``."""
    scorer = TargetScorer(rows, schema, at, logits.argmax(axis=1), target)
    (offsets,) = best_offsets(logits, [np.ones(len(at), bool)], scorer.values)
    return offsets


def own_loss(rows: Rows, at: np.ndarray, base: np.ndarray, served: np.ndarray) -> float:
    """The share of accuracy that served scores ``(rows, classes)`` lose; 0 if they gain."""
    right = [(of.argmax(axis=1) == rows.labels[at]).mean() for of in (base, served)]
    return max(0.0, float(right[0] - right[1]))


def table(rows: Rows, schema: Schema, at: np.ndarray, answers: Answers, target: Target) -> str:
    """Accuracy, the target's figures, every cell, and answers mended and broken."""
    named = (
        ("base", answers.base),
        ("Evenhand", answers.served),
        ("one threshold, same cost", answers.at_cost),
        ("one threshold, same limits", answers.threshold),
    )
    scorer = TargetScorer(rows, schema, at, answers.base, target)
    lines = [f"| test rows | n | {' | '.join(name for name, _ in named)} |", "|---|---|---|---|---|---|"]

    def line(what: str, inside: np.ndarray) -> None:
        rates = [Rate.of((of == scorer.truth)[inside]) for _, of in named]
        texts = [f"{100 * r.value:.1f} ({100 * r.low:.1f} to {100 * r.high:.1f})" for r in rates]
        lines.append(f"| {what} | {int(inside.sum()):,} | {' | '.join(texts)} |")

    line("accuracy, %", np.ones(len(at), bool))
    for aim in target.attributes:
        texts = [aim_text(rows, schema, at, of, aim) for _, of in named]
        lines.append(f"| {aim.measure} of {aim.attribute}, points | | {' | '.join(texts)} |")
    for (attribute, group, label), inside in zip(scorer.cells, scorer.members, strict=True):
        line(f"{attribute} = {group}, {label}: right, %", inside)
    was = answers.base == scorer.truth
    moved = [
        f"{int((~was & (of == scorer.truth)).sum()):,}, {int((was & (of != scorer.truth)).sum()):,}"
        for _, of in named[1:]
    ]
    lines.append(f"| answers mended, broken | {len(at):,} | | {' | '.join(moved)} |")
    return "\n".join(lines)


def aim_text(rows: Rows, schema: Schema, at: np.ndarray, answers: np.ndarray, aim: AttributeTarget) -> str:
    """An aim's figure in points with its 95 % interval; empty where too few rows support it."""
    rates = rate_rows(rows, schema, at, aim)
    if not rates:
        return ""
    inside = np.stack([rate.inside for rate in rates], axis=1).astype(float)
    hit = hits(rows, schema, at, answers, aim.measure).astype(float)

    def of_draws(weights: np.ndarray) -> np.ndarray:
        shares = (weights * hit) @ inside / (weights @ inside)
        return np.asarray(figure(rates, shares))

    of = basic_bootstrap(len(at), DRAWS, of_draws)
    return f"{100 * of['value']:.1f} ({100 * of['low']:.1f} to {100 * of['high']:.1f})"


def main() -> None:
    """Print one table of test rows, and one of the unseen data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("recipe", help="whose rows: speech, census, ...")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--unseen", help="a data set that nothing learnt from")
    options = parser.parse_args()
    bundle = load(options.bundle)
    recipe = importlib.import_module(f"evenhand.training.recipes.{options.recipe}")
    target = bundle.manifest.target
    if target is None:
        parser.error(f"{options.bundle} states no target: fit it again with --target")
    offsets = at_cost = np.zeros(len(bundle.manifest.labels))
    readers = [recipe.read] + ([getattr(recipe, f"read_{options.unseen}")] if options.unseen else [])
    for index, read in enumerate(readers):
        rows, schema, _ = read(options.data)
        rows, schema = with_intersections(rows, schema, recipe.COLUMNS.intersections)
        parts = ("val", "test") if index == 0 else ("train", "val", "test")
        at = rows.of(*parts)
        base, served = scores(bundle, [rows.items[row] for row in at])
        test = rows.split[at] == "test" if index == 0 else np.ones(len(at), bool)
        if index == 0:
            offsets = chosen_offsets(rows, schema, at[~test], base[~test], target)
            same = target.model_copy(
                update={"max_loss": own_loss(rows, at[~test], base[~test], served[~test])}
            )
            at_cost = chosen_offsets(rows, schema, at[~test], base[~test], same)
        sets = (base, served, base + offsets, base + at_cost)
        answers = Answers(*(of.argmax(axis=1)[test] for of in sets))
        print(table(rows, schema, at[test], answers, target), flush=True)


if __name__ == "__main__":
    main()
