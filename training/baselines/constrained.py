"""A linear head learnt under an equalized-odds constraint, on the base's frozen representations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evenhand.console import track
from evenhand.training.baselines.context import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.baselines.method import Method, MethodAnswer, NotApplicableError, Sees, Served
from evenhand.training.baselines.postprocess import favourable_class
from evenhand.typing import Bools, Floats, Ints


@dataclass(frozen=True)
class Mixture:
    """Several heads with a weight each; every answer is drawn from them."""

    scaler: StandardScaler
    heads: ExponentiatedGradient

    def selected(self, representation: Floats, seed: int) -> Bools:
        """Whether each of ``(rows, width)`` gets the favourable class."""
        found: Bools = self.heads.predict(self.scaler.transform(representation), random_state=seed) == 1
        return found


@dataclass(frozen=True)
class Constrained(Method):
    """Exponentiated gradient (Agarwal et al. 2018) over logistic heads; randomised, with the seed.

    Learnt on the rows that the base has not learnt from, or on all training rows, without those whose group
    is left out. Which rows, and which of ``bounds`` on the gaps in true and false positive rates, is chosen
    on validation rows.
    """

    name: str = "constrained-head"
    title: str = "Constrained head"
    source: str = "fairlearn's exponentiated gradient, Agarwal et al. 2018"
    sees: Sees = Sees("all", "all", test=False)
    served: Served = Served(
        "no", "It draws one of several heads for each answer: a row sent twice may get two answers."
    )
    bounds: tuple[float, ...] = (0.02, 0.1)

    def answer(self, context: Context) -> MethodAnswer:
        """Fit every choice, take the best on validation rows."""
        favourable = favourable_class(context)
        judged = context.features.representation[context.judged]
        found = {
            choice: np.where(mixture.selected(judged, context.seed), favourable, 1 - favourable)
            for choice, mixture in self.learn(context).items()
        }
        best = context.criterion.choose(found, lambda choice: context.on_validation(found[choice]))
        return MethodAnswer(found[best], None, {"rows": best[0], "bound": best[1]})

    def learn(self, context: Context) -> dict[tuple[str, float], Mixture]:
        """Fit every choice of rows and bound.

        Raises:
            NotApplicableError: more than two classes, or fewer than two groups.
        """
        favourable = favourable_class(context)
        merged = {
            source: merge(context.rows, context.schema, rows) for source, rows in context.sources.items()
        }
        choices = [
            (source, bound) for source, of in merged.items() if len(of.names) > 1 for bound in self.bounds
        ]
        if not choices:
            raise NotApplicableError("fewer than two groups have enough training rows of both labels")
        return {
            (source, bound): _fit(context, merged[source], context.sources[source], bound, favourable)
            for source, bound in track(choices, len(choices), "constrained heads")
        }


def _fit(context: Context, groups: Groups, rows: Ints, bound: float, favourable: int) -> Mixture:
    chosen = rows[groups.codes[rows] != LEFT_OUT]
    representation = context.features.representation[chosen]
    scaler = StandardScaler().fit(representation)
    # The reduction fits up to some hundred heads, under uneven weights: lbfgs takes 150 to 250 steps for
    # each, Newton's method 3 to 5. On HateXplain (15,383 rows, width 384) that is a quarter of the time.
    head = LogisticRegression(C=0.1, solver="newton-cholesky")
    model = ExponentiatedGradient(head, EqualizedOdds(difference_bound=bound), eps=bound)
    truth = (groups.labels[chosen] == favourable).astype(int)
    model.fit(scaler.transform(representation), truth, sensitive_features=groups.codes[chosen])
    return Mixture(scaler, model)
