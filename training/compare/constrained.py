"""A linear head learnt under an equalized-odds constraint, on the base's frozen representations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from training.compare.context import Context
from training.compare.groups import LEFT_OUT, merge
from training.compare.method import Answer, Method, NotApplicableError, Sees
from training.compare.postprocess import favourable_class

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Constrained(Method):
    """Exponentiated gradient (Agarwal et al. 2018) over logistic heads; randomised, with the seed.

    Learnt on the rows that the base has not learnt from (all training rows where none was held out), without those
    whose group is left out. One of ``bounds`` on the gaps in true and false positive rates is chosen on validation
    rows.
    """

    name: str = "constrained-head"
    title: str = "Exponentiated gradient, equalized odds"
    source: str = "fairlearn, Agarwal et al. 2018"
    sees: Sees = Sees("all", "all", test=False)
    bounds: tuple[float, ...] = (0.02, 0.1)

    def answer(self, context: Context) -> Answer:
        """Fit once per bound, take the best on validation rows."""
        favourable = favourable_class(context)
        groups = merge(context.rows, context.schema, context.unseen)
        if len(groups.names) < 2:
            raise NotApplicableError("fewer than two groups have enough training rows of both labels")
        chosen = context.unseen[groups.codes[context.unseen] != LEFT_OUT]
        scaler = StandardScaler().fit(context.features.representation[chosen])
        learnt, judged = (scaler.transform(context.features.representation[rows]) for rows in (chosen, context.judged))
        found: dict[float, Ints] = {}
        for bound in self.bounds:
            model = ExponentiatedGradient(
                LogisticRegression(C=0.1, max_iter=300), EqualizedOdds(difference_bound=bound), eps=bound
            )
            model.fit(learnt, context.rows.labels[chosen] == favourable, sensitive_features=groups.codes[chosen])
            selected = model.predict(judged, random_state=context.seed) == 1
            found[bound] = np.where(selected, favourable, 1 - favourable)
        best = context.criterion.choose(self.bounds, lambda bound: context.on_validation(found[bound]))
        return Answer(found[best], None, {"bound": best, "groups": list(groups.names)})
