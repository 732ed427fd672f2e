"""A linear head learnt under an equalized-odds constraint, on the base's frozen representations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from training.compare.context import Context
from training.compare.groups import LEFT_OUT, Groups, merge
from training.compare.method import Answer, Method, NotApplicableError, Sees, Served
from training.compare.postprocess import favourable_class

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Constrained(Method):
    """Exponentiated gradient (Agarwal et al. 2018) over logistic heads; randomised, with the seed.

    Learnt on the rows that the base has not learnt from, or on all training rows, without those whose group is left
    out. Which rows, and which of ``bounds`` on the gaps in true and false positive rates, is chosen on validation rows.
    """

    name: str = "constrained-head"
    title: str = "Constrained head"
    source: str = "fairlearn's exponentiated gradient, Agarwal et al. 2018"
    sees: Sees = Sees("all", "all", test=False)
    served: Served = Served(
        "no", "It draws one of several heads for each answer: asked twice, a row may be told two things."
    )
    bounds: tuple[float, ...] = (0.02, 0.1)

    def answer(self, context: Context) -> Answer:
        """Fit every choice, take the best on validation rows."""
        favourable = favourable_class(context)
        found: dict[tuple[str, float], Ints] = {}
        for source, rows in context.sources.items():
            groups = merge(context.rows, context.schema, rows)
            if len(groups.names) > 1:
                for bound in self.bounds:
                    selected = self._fit(context, groups, rows, bound, favourable)
                    found[source, bound] = np.where(selected, favourable, 1 - favourable)
        if not found:
            raise NotApplicableError("fewer than two groups have enough training rows of both labels")
        best = context.criterion.choose(found, lambda choice: context.on_validation(found[choice]))
        return Answer(found[best], None, {"rows": best[0], "bound": best[1]})

    def _fit(self, context: Context, groups: Groups, rows: Ints, bound: float, favourable: int) -> Bools:
        """Whether each judged row gets the favourable class."""
        chosen = rows[groups.codes[rows] != LEFT_OUT]
        scaler = StandardScaler().fit(context.features.representation[chosen])
        learnt, judged = (scaler.transform(context.features.representation[part]) for part in (chosen, context.judged))
        model = ExponentiatedGradient(
            LogisticRegression(C=0.1, max_iter=300), EqualizedOdds(difference_bound=bound), eps=bound
        )
        model.fit(learnt, (groups.labels[chosen] == favourable).astype(int), sensitive_features=groups.codes[chosen])
        selected: Bools = model.predict(judged, random_state=context.seed) == 1
        return selected
