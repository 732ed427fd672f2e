"""What acts after the base: thresholds per group, calibration per group."""

from __future__ import annotations

import numpy as np
import torch
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from bench.references.pair import Bools, Drawn, Floats, Ints, answered, seeded
from evenhand.models.network.corrector import Selected
from evenhand.training.baselines.base import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, merge
from evenhand.training.baselines.postprocess import OptimisedThresholds, favourable_class
from evenhand.training.correctors import group_calibration
from evenhand.training.correctors.interface import CorrectorInput
from evenhand.training.data.dataset import HELD
from evenhand.training.evaluation.metrics import MIN_CELL


class BaseOnScores(ClassifierMixin, BaseEstimator):
    """The base as a fitted scikit-learn classifier; its only column is the favourable margin."""

    classes_ = np.array([0, 1])

    def fit(self, *_: object) -> BaseOnScores:
        """Nothing to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def decision_function(self, margins: Floats) -> Floats:
        """``(rows,)``."""
        return np.asarray(margins)[:, 0]

    def predict(self, margins: Floats) -> Ints:
        """``(rows,)`` 1 for the favourable class."""
        return (self.decision_function(margins) > 0).astype(np.int64)

    def predict_proba(self, margins: Floats) -> Floats:
        """``(rows, 2)``."""
        favourable = 1.0 / (1.0 + np.exp(-np.asarray(margins)[:, 0]))
        return np.column_stack([1.0 - favourable, favourable])


def margins_of(context: Context) -> Floats:
    """``(rows, 1)`` logit of the favourable class less the other's, under the base."""
    logits, favourable = context.features.base_logits.astype(np.float64), favourable_class(context)
    return (logits[:, favourable] - logits[:, 1 - favourable])[:, None]


def our_thresholds(context: Context) -> Drawn:
    """As compared."""
    return lambda seed: OptimisedThresholds().answer(seeded(context, seed)).predicted


def fairlearns_thresholds(context: Context) -> Drawn:
    """Fairlearn's guide: a fitted classifier, its ``predict_proba``, equalized odds."""
    codes, margins, scored = (
        merge(context.rows, context.schema, context.validation).codes,
        margins_of(context),
        context.scored,
    )
    optimiser = ThresholdOptimizer(
        estimator=BaseOnScores(), constraints="equalized_odds", prefit=True, predict_method="predict_proba"
    )
    fitted = context.validation[codes[context.validation] != LEFT_OUT]
    truth = (context.rows.labels[fitted] == favourable_class(context)).astype(int)
    optimiser.fit(margins[fitted], truth, sensitive_features=codes[fitted])
    has_group = codes[scored] != LEFT_OUT
    at = scored[has_group]

    def drawn(seed: int) -> Ints:
        selected = margins[scored, 0] >= 0
        selected[has_group] = (
            optimiser.predict(margins[at], sensitive_features=codes[at], random_state=seed) == 1
        )
        return answered(context, selected)

    return drawn


def _alone(context: Context) -> Bools:
    """``(rows, attributes)`` rows outside the reference group of this attribute and of no other."""
    members = np.stack([context.rows.groups[name] > 0 for name in context.schema.gated], axis=1)
    alone: Bools = members & (members.sum(axis=1) == 1)[:, None]
    return alone


def our_calibration(context: Context) -> Drawn:
    """The corrector at full strength, gated by the declared group; rows of several groups keep the base's."""
    gates, stage = _alone(context), context.config.correction
    corrector = group_calibration.make(context.split(), list(context.schema.gated), config=stage)
    risk = gates.astype(np.float32)
    group_calibration.learn(
        corrector,
        CorrectorInput(
            context.material, gates, risk, gates.astype(np.int64), stage, context.folder / "calibration"
        ),
    )
    scored, unread = context.scored, torch.empty(0)
    opened, logits = torch.from_numpy(gates[scored]), torch.from_numpy(context.features.base_logits[scored])
    with torch.no_grad():
        corrected = corrector.correct(
            Selected(opened, unread, unread, logits, torch.from_numpy(risk[scored]), unread)
        )
    predicted = corrected.argmax(dim=1).numpy()
    return lambda _: predicted


def scikit_learns_calibration(context: Context) -> Drawn:
    """Scikit-learn's guide: sigmoid ``CalibratedClassifierCV`` of a frozen classifier, per held-out group."""
    gates, margins, scored, held = _alone(context), margins_of(context), context.scored, context.rows.of(HELD)
    truth = (context.rows.labels == favourable_class(context)).astype(int)
    selected = margins[scored, 0] > 0
    for opened in gates.T:
        rows, at = held[opened[held]], opened[scored]
        if np.bincount(truth[rows], minlength=2).min() < MIN_CELL:
            continue
        fitted = CalibratedClassifierCV(FrozenEstimator(BaseOnScores()), method="sigmoid")
        fitted.fit(margins[rows], truth[rows])
        selected[at] = fitted.predict(margins[scored][at]) == 1
    predicted = answered(context, selected)
    return lambda _: predicted
