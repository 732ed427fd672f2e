"""Baselines that change the base's decisions and need the row's sensitive attribute at test.

Both are fitted on validation rows, as our thresholds are, because the base's scores are too good on rows that
it has learnt from. Both are defined for two classes. A row whose group is left out (unknown, or too rare on
validation rows) keeps the base's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator

from evenhand.models.bundle.target import Measure, Target
from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees, Served
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.typing import Bools, Floats, Ints

BANDS = tuple(round(0.5 + 0.025 * step, 3) for step in range(20))
"""Candidates for the reject option's bound; at 0.5 no row is in the band."""


@dataclass(frozen=True)
class Binary:
    """The base's probability of the favourable class, with groups that can be fitted on validation rows."""

    favourable: int
    probability: Floats
    """``(rows,)``."""
    groups: Groups

    @classmethod
    def of(cls, context: Context) -> Binary:
        """Read the base's answers.

        Raises:
            NotApplicableError: more than two classes, or fewer than two groups.
        """
        favourable = favourable_class(context)
        logits = context.features.base_logits.astype(np.float64)
        probability = 1.0 / (1.0 + np.exp(logits[:, 1 - favourable] - logits[:, favourable]))
        groups = merge(context.rows, context.schema, context.validation)
        if len(groups.names) < 2:
            raise NotApplicableError("fewer than two groups have enough validation rows of both labels")
        return cls(favourable, probability, groups)

    def classes(self, selected: Bools) -> Ints:
        """Class per row, from whether it gets the favourable one."""
        return np.where(selected, self.favourable, 1 - self.favourable)


def favourable_class(context: Context) -> int:
    """The favourable one of two classes.

    Raises:
        NotApplicableError: there are more than two.
    """
    if len(context.schema.labels) != 2:
        raise NotApplicableError(f"defined for two classes; this data has {len(context.schema.labels)}")
    return context.schema.labels.index(context.schema.favourable[0])


DECLARED = Served(
    "no", "A declared group never changes an answer; `gated-label-flip` goes by the inferred one."
)
DRAWN = Served(
    "no", "It draws at random by the declared group; `gated-group-thresholds` goes by the inferred one."
)


class _PassedScores(BaseEstimator):  # type: ignore[misc] # scikit-learn is not typed
    """Passes finished scores through to fairlearn, as the only column."""

    def fit(self, *_: object) -> _PassedScores:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, scores: Floats) -> Floats:
        return np.asarray(scores)[:, 0]


CONSTRAINTS: dict[Measure, str] = {
    "worst-cell": "equalized_odds",
    "equalized-odds": "equalized_odds",
    "equal-opportunity": "true_positive_rate_parity",
    "predictive-equality": "false_positive_rate_parity",
    "demographic-parity": "demographic_parity",
}
"""Fairlearn's constraint for each measure; it has none for the worst cell."""


def constraint_of(target: Target) -> str:
    """Fairlearn's constraint for a target; equalized odds where attributes aim at different measures."""
    constraints = {CONSTRAINTS[aim.measure] for aim in target.attributes}
    return constraints.pop() if len(constraints) == 1 else "equalized_odds"


def optimised(scores: Floats, favourable: Ints, groups: Ints, constraint: str) -> ThresholdOptimizer:
    """Fairlearn's randomised thresholds per group (Hardt et al. 2016).

    Args:
        scores: ``(rows,)`` probability of the favourable class.
        favourable: ``(rows,)`` 1 where it is the true one.
        groups: ``(rows,)``.
        constraint: What has to be equal, as fairlearn names it.
    """
    optimiser = ThresholdOptimizer(
        estimator=_PassedScores(), constraints=constraint, prefit=True, predict_method="predict"
    )
    return optimiser.fit(scores[:, None], favourable, sensitive_features=groups)


@dataclass(frozen=True)
class OptimisedThresholds(Method):
    """The true-group optimiser: thresholds per declared group that make the target's rates equal.

    On the base's probabilities; randomised, with the seed. Equal rates are bought at any price in accuracy.
    """

    name: str = "thresholds"
    title: str = "Threshold optimisation"
    source: str = "fairlearn, Hardt et al. 2016"
    sees: Sees = Sees("none", "all", test=True)
    served: Served = DRAWN
    control: ClassVar[bool] = True

    def suits(self, task: str, classes: int) -> bool:
        """Two classes only."""
        return classes == 2

    def answer(self, context: Context) -> MethodAnswer:
        """Fit on validation rows, apply to all scored rows."""
        binary = Binary.of(context)
        codes, labels, scored = binary.groups.codes, context.rows.labels, context.scored
        fitted = context.validation[codes[context.validation] != LEFT_OUT]
        favourable = (labels[fitted] == binary.favourable).astype(int)
        constraint = constraint_of(context.target)
        optimiser = optimised(binary.probability[fitted], favourable, codes[fitted], constraint)
        selected = binary.probability[scored] >= 0.5
        at = np.flatnonzero(codes[scored] != LEFT_OUT)
        scores = binary.probability[scored[at], None]
        selected[at] = (
            optimiser.predict(scores, sensitive_features=codes[scored[at]], random_state=context.seed) == 1
        )
        notes = {"groups": list(binary.groups.names), "constraint": constraint}
        return MethodAnswer(binary.classes(selected), None, notes)


def reject_option(probability: Floats, deprived: Bools, favoured: Bools, bound: float) -> Bools:
    r"""Kamiran, Karim and Zhang 2012: in the critical band the group decides.

    Where :math:`\max(p, 1 - p) < \theta` a row of a deprived group gets the favourable class, one of a
    favoured group the other; everybody else keeps :math:`p \ge 0.5`.

    Args:
        probability: ``(rows,)`` of the favourable class.
        deprived: ``(rows,)``.
        favoured: ``(rows,)``.
        bound: The band's bound theta, from 0.5 (no band) to 1.

    Returns:
        ``(rows,)`` whether a row gets the favourable class.
    """
    critical = np.maximum(probability, 1.0 - probability) < bound
    selected = probability >= 0.5
    return np.where(critical & deprived, True, np.where(critical & favoured, False, selected))


@dataclass(frozen=True)
class RejectOption(Method):
    """Reject option: near 0.5, deprived groups get the favourable class and favoured groups the other.

    A group is deprived if the base gives it the favourable class less often than all rows with a group, on
    validation rows; else it is favoured. The band is chosen on validation rows.
    """

    name: str = "reject-option"
    title: str = "Reject option"
    source: str = "Kamiran et al. 2012"
    sees: Sees = Sees("none", "all", test=True)
    served: Served = DECLARED

    def answer(self, context: Context) -> MethodAnswer:
        """Choose the band on validation rows, apply it to all scored rows."""
        binary = Binary.of(context)
        codes, scored = binary.groups.codes, context.scored
        low = deprived_groups(binary.probability[context.validation] >= 0.5, codes[context.validation])
        deprived = np.isin(codes[scored], low)
        favoured = (codes[scored] != LEFT_OUT) & ~deprived
        predictions = {
            bound: binary.classes(reject_option(binary.probability[scored], deprived, favoured, bound))
            for bound in BANDS
        }
        best = context.criterion.choose(BANDS, lambda bound: context.on_validation(predictions[bound]))
        names = [binary.groups.names[code] for code in low]
        return MethodAnswer(predictions[best], None, {"bound": best, "deprived": names})


def deprived_groups(selected: Bools, codes: Ints) -> list[int]:
    """Codes whose share of ``selected (rows,)`` is below that of all rows with a group; ``codes (rows,)``."""
    has_group = codes != LEFT_OUT
    usual = selected[has_group].mean()
    return [int(code) for code in np.unique(codes[has_group]) if selected[codes == code].mean() < usual]
