"""Methods of the comparison against their library's own reference use, on the same base of a recipe.

    python -m bench.reference_use --recipe adult --data <folder with adult.data and adult.test> --work <folder>

Left is what ``evenhand compare`` does, right what the library's guide does with the same rows and representation. What
draws at random is drawn five times; figures are on test rows, means with their standard deviation over the draws.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from concept_erasure import LeaceEraser
from fairlearn.metrics import equalized_odds_difference
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from training import processes
from training.compare.constrained import Constrained
from training.compare.context import Context, prepare
from training.compare.groups import LEFT_OUT, merge
from training.compare.heads import LEACE, group_columns
from training.compare.method import Method
from training.compare.postprocess import Thresholds
from training.derive import with_intersections

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
DRAWS = 5
BOUND = 0.02


class BaseOnScores(BaseEstimator):
    """A classifier as scikit-learn has them, over the base's probability of the favourable class."""

    classes_ = np.array([0, 1])

    def fit(self, *_: object) -> BaseOnScores:
        """Nothing to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, scores: Floats) -> Floats:
        """``(rows, 2)``."""
        return np.column_stack([1.0 - np.asarray(scores)[:, 0], np.asarray(scores)[:, 0]])


def context_of(recipe: str, data: Path, work: Path) -> Context:
    """The base of seed 0."""
    module = importlib.import_module(f"training.recipes.{recipe}")
    rows, schema, digest = module.read(data)
    config = module.config(module.packaged_base(), 0)
    rows, schema = with_intersections(rows, schema, config.columns.intersections)
    return prepare(config, rows, schema, digest, work)


def thresholds(context: Context, seed: int) -> Ints:
    """Fairlearn's guide: a fitted classifier, its ``predict_proba``, equalized odds."""
    groups, validation = merge(context.rows, context.schema, context.validation), context.validation
    logits = context.features.base_logits.astype(np.float64)
    favourable = context.schema.labels.index(context.schema.favourable[0])
    scores = 1.0 / (1.0 + np.exp(logits[:, [1 - favourable]] - logits[:, [favourable]]))
    optimiser = ThresholdOptimizer(
        estimator=BaseOnScores(), constraints="equalized_odds", prefit=True, predict_method="predict_proba"
    )
    fitted = validation[groups.codes[validation] != LEFT_OUT]
    truth = (context.rows.labels[fitted] == favourable).astype(int)
    optimiser.fit(scores[fitted], truth, sensitive_features=groups.codes[fitted])
    judged = context.judged
    selected = scores[judged, 0] >= 0.5
    known = groups.codes[judged] != LEFT_OUT
    at = judged[known]
    selected[known] = optimiser.predict(scores[at], sensitive_features=groups.codes[at], random_state=seed) == 1
    return np.where(selected, favourable, 1 - favourable)


def constrained(context: Context, seed: int) -> Ints:
    """Fairlearn's guide: exponentiated gradient over a logistic regression, on all training rows."""
    groups = merge(context.rows, context.schema, context.train)
    chosen = context.train[groups.codes[context.train] != LEFT_OUT]
    favourable = context.schema.labels.index(context.schema.favourable[0])
    scaler = StandardScaler().fit(context.features.representation[chosen])
    truth = (context.rows.labels[chosen] == favourable).astype(int)
    model = ExponentiatedGradient(
        LogisticRegression(C=0.1, max_iter=300), EqualizedOdds(difference_bound=BOUND), eps=BOUND
    )
    model.fit(scaler.transform(context.features.representation[chosen]), truth, sensitive_features=groups.codes[chosen])
    selected = model.predict(scaler.transform(context.features.representation[context.judged]), random_state=seed)
    return np.where(selected == 1, favourable, 1 - favourable)


def leace(context: Context, seed: int) -> Ints:
    """concept-erasure's guide: ``LeaceEraser.fit(X, Z)`` with its defaults, then the base's own last layer."""
    known = context.train[
        np.all([context.rows.groups[name][context.train] >= 0 for name in context.schema.gated], axis=0)
    ]
    x = torch.from_numpy(context.features.representation.astype(np.float64))
    z = torch.from_numpy(group_columns(context.rows, context.schema, known))
    erased = LeaceEraser.fit(x[torch.from_numpy(known)], z)(x).numpy().astype(np.float32)
    return context.base_head(erased[context.judged]).argmax(axis=1)


PAIRS: tuple[tuple[Method, Callable[[Context, int], Ints], int], ...] = (
    (Thresholds(), thresholds, DRAWS),
    (Constrained(bounds=(BOUND,)), constrained, DRAWS),
    (LEACE[0], leace, 1),
)


def figures(context: Context, predicted: Ints) -> tuple[float, ...]:
    """Accuracy, then the equalized odds difference of every attribute, by fairlearn's own metric; test rows."""
    at = context.rows.split[context.judged] == "test"
    rows, answers = context.judged[at], predicted[at]
    good = context.schema.labels.index(context.schema.favourable[0])
    truth, found = context.rows.labels[rows] == good, [float((answers == context.rows.labels[rows]).mean())]
    for name in context.schema.gated:
        member = np.minimum(context.rows.groups[name][rows], 1)
        known = member >= 0
        selected = (answers == good)[known]
        found.append(equalized_odds_difference(truth[known], selected, sensitive_features=member[known]))
    return tuple(found)


def lines(context: Context) -> Iterator[str]:
    """One line per method and figure."""
    names = ("accuracy", *(f"equalized odds difference, {name}" for name in context.schema.gated))
    yield "method | figure | evenhand | reference use | same answers"
    for method, reference, draws in PAIRS:
        seeds = [replace(context, config=replace(context.config, seed=seed)) for seed in range(draws)]
        for one in seeds:
            one.__dict__["features"] = context.features
        answers = [(method.answer(one).predicted, reference(one, one.seed)) for one in seeds]
        same = np.mean([np.mean(ours == theirs) for ours, theirs in answers])
        sides = [np.array([figures(context, pair[side]) for pair in answers]) for side in (0, 1)]
        for index, name in enumerate(names):
            said = (f"{side[:, index].mean():.4f} ± {side[:, index].std():.4f}" for side in sides)
            yield f"{method.name} | {name} | {' | '.join(said)} | {same:.4f}"


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=("adult", "hatexplain"), default="adult")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    processes.deterministic()
    for line in lines(context_of(given.recipe, given.data, given.work)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
