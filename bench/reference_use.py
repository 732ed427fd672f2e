r"""Methods of the comparison against their library's own reference use, on the same base of a recipe.

    python -m bench.reference_use --recipe adult --data <folder with adult.data and adult.test> \
        --work <folder>

One side is what ``evenhand compare`` does, the other what the library's guide does with the same rows and
representation (``bench.references``). Figures are on test rows. What draws at random is drawn five times by
each side, with the same seeds, and figures are means; ``over draws`` is the larger of the two standard
deviations, ``over rows`` that of our figure when the test rows are drawn again. ``within`` says which of them
the difference does not exceed.
"""

from __future__ import annotations

import argparse
import importlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fairlearn.metrics import equalized_odds_difference

from bench.references import PAIRS
from bench.references.pair import Floats, Ints, Pair
from evenhand.console import say
from evenhand.training.baselines.base import Context, prepare
from evenhand.training.benchmark.score import ScoredRows
from evenhand.training.data.attributes import with_intersections
from evenhand.training.evaluation.metrics import worst
from evenhand.training.learning import distributed

RESAMPLED = 40
Sides = list[list[Ints]]
"""Ours and the library's answers to the test rows, draw by draw."""


def context_of(recipe: str, data: Path, work: Path) -> Context:
    """The base of seed 0."""
    module = importlib.import_module(f"evenhand.training.recipes.{recipe}")
    rows, schema, digest = module.read(data)
    config = module.config(module.packaged_base(), 0)
    rows, schema = with_intersections(rows, schema, config.columns.intersections)
    return prepare(config, rows, schema, digest, work)


def names(context: Context) -> tuple[str, ...]:
    """Of the figures."""
    return "accuracy", "worst cell", *(f"equalized odds difference, {name}" for name in context.schema.gated)


def figures(context: Context, rows: Ints, answers: Ints) -> Floats:
    """Accuracy, the worst cell, and the equalized odds difference of every attribute by fairlearn's metric.

    Args:
        context: The seed.
        rows: Which; one that is named twice counts twice.
        answers: Their classes.
    """
    scored = ScoredRows(context.rows, context.schema, rows)
    lowest = worst(scored.cells(answers))
    good = context.schema.labels.index(context.schema.favourable[0])
    values = [float((answers == scored.truth).mean()), np.nan if lowest is None else lowest.accuracy.value]
    for name in context.schema.gated:
        groups = scored.groups(name)
        has_group = groups >= 0
        truth, selected = scored.truth[has_group] == good, answers[has_group] == good
        values.append(
            equalized_odds_difference(truth, selected, sensitive_features=np.minimum(groups[has_group], 1))
        )
    return np.array(values)


def over_draws(context: Context, rows: Ints, sides: Sides) -> Floats:
    """The larger standard deviation of every figure; 0 where nothing is drawn."""
    deviation: Floats = np.max(
        [np.std([figures(context, rows, one) for one in side], axis=0) for side in sides], axis=0
    )
    return deviation


def over_rows(context: Context, rows: Ints, answers: Ints) -> Floats:
    """Standard deviation of every figure when the test rows are drawn again, with repetition."""
    rng = np.random.default_rng(0)
    again = [rng.integers(0, len(rows), len(rows)) for _ in range(RESAMPLED)]
    deviation: Floats = np.nanstd([figures(context, rows[at], answers[at]) for at in again], axis=0)
    return deviation


def within(difference: float, draws: float, rows: float) -> str:
    """What a difference does not exceed."""
    if difference == 0.0:
        return "the same"
    return "draws" if abs(difference) <= draws else "rows" if abs(difference) <= rows else "no"


def lines(context: Context, pair: Pair) -> Iterator[str]:
    """One line per figure."""
    at = context.rows.split[context.scored] == "test"
    rows = context.scored[at]
    sides: Sides = []
    for whose, learn in (("evenhand's", pair.ours), ("the library's", pair.theirs)):
        say(f"{pair.name}: {whose} side")
        start = time.monotonic()
        drawn = learn(context)
        sides.append([drawn(seed)[at] for seed in range(pair.draws)])
        say(f"{pair.name}: {whose} side took {time.monotonic() - start:.0f} s")
    same = np.mean([np.mean(ours == theirs) for ours, theirs in zip(*sides, strict=True)])
    ours, theirs = (np.mean([figures(context, rows, one) for one in side], axis=0) for side in sides)
    noise = (over_draws(context, rows, sides), over_rows(context, rows, sides[0][0]))
    for name, *of in zip(names(context), ours, theirs, ours - theirs, *noise, strict=True):
        cells = " | ".join(f"{value:.4f}" for value in of)
        yield f"{pair.name} | {name} | {cells} | {within(*of[2:])} | {same:.4f}"


def main() -> None:
    """Compare, and print."""
    by_name = {pair.name: pair for pair in PAIRS}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=("adult", "hatexplain"), default="adult")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--only", choices=by_name, action="append", help="One method; repeatable. All where not given."
    )
    options = parser.parse_args()
    distributed.deterministic()
    warnings.filterwarnings(
        "ignore", category=DeprecationWarning
    )  # fairlearn's own, of pandas, at every step
    context = context_of(options.recipe, options.data, options.work)
    say(f"the base's representation is {context.features.representation.shape[1]} wide")
    print(
        "method | figure | evenhand | reference use | difference | over draws | over rows | within | same "
        "answers",
        flush=True,
    )
    for name in options.only or by_name:
        for line in lines(context, by_name[name]):
            print(line, flush=True)


if __name__ == "__main__":
    main()
