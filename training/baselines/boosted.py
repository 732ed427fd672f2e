"""A gradient-boosted tree in place of the base: on tables it is often the better classifier to begin with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier

from evenhand.models.bundle.encoders.table import TableFeatures
from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees, Served
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.typing import Float64s, Ints

TREES = 300
"""At most; validation accuracy says after how many it stops, as it does for the base's epochs."""
CATEGORIES = 254
"""scikit-learn's limit of 255, less one for all rarer values together."""
ELSEWHERE = Served("no", "Fit it and save it: `evenhand fit --model` takes it from its file, as it is.")


@dataclass(frozen=True)
class GradientBoosted(Method):
    """scikit-learn's histogram gradient boosting on the base's own features; a missing value stays missing.

    Learnt on the rows that the base has learnt from, or on all training rows. The number of trees is that of
    the highest validation accuracy.
    """

    name: str = "gradient-boosted"
    title: str = "Gradient-boosted trees"
    source: str = "scikit-learn"
    sees: Sees = Sees("none", "none", test=False)
    served: Served = ELSEWHERE
    control: ClassVar[bool] = True
    learns_from: Literal["base's rows", "all"] = "base's rows"

    def suits(self, task: str, classes: int) -> bool:
        """Tables only."""
        return task == "table"

    def answer(self, context: Context) -> MethodAnswer:
        """Learn, stop where validation rows say, answer."""
        if context.config.columns.task != "table":
            raise NotApplicableError("boosted trees learn from the features of a table")
        rows, labels = context.rows, context.rows.labels
        train = context.train if self.learns_from == "all" else rows.of("train")
        matrix, categorical = feature_matrix(
            TableFeatures.model_validate_json(context.base.preprocess), rows.items, train
        )
        model = HistGradientBoostingClassifier(
            max_iter=TREES,
            early_stopping=False,
            categorical_features=categorical,
            random_state=context.seed,
        ).fit(matrix[train], labels[train])
        truth = labels[context.validation]
        right = [
            float((predicted == truth).mean())
            for predicted in model.staged_predict(matrix[context.validation])
        ]
        trees = int(np.argmax(right)) + 1
        logits = _stage(model, matrix[context.scored], trees)
        return MethodAnswer(
            model.classes_[logits.argmax(axis=1)],
            softmax(logits, axis=1).max(axis=1),
            {"trees": trees, "rows": len(train)},
        )


BOOSTED = (
    GradientBoosted(),
    GradientBoosted(
        name="gradient-boosted-all",
        title="Gradient-boosted trees, all rows",
        learns_from="all",
    ),
)


def feature_matrix(
    features: TableFeatures, items: Sequence[dict[str, Any]], train: Ints
) -> tuple[Float64s, list[bool]]:
    """Rows as numbers: numeric columns as they are, categories as codes, missing values as NaN.

    Args:
        features: The base's columns.
        items: All rows.
        train: Rows that say which categories there are; others hold a value that counts as missing.

    Returns:
        ``(rows, columns)``, and per column whether it holds categories.
    """
    columns = [
        [np.nan if item[column.name] is None else item[column.name] for item in items]
        for column in features.numeric
    ]
    for column in features.categorical:
        values = [item[column.name] for item in items]
        counts = Counter(values[row] for row in train if values[row] is not None)
        frequent = [value for value, _ in counts.most_common(CATEGORIES)]
        codes = {value: float(code) for code, value in enumerate(frequent)}
        codes |= {value: float(len(frequent)) for value in counts if value not in codes}
        columns.append([codes.get(value, np.nan) for value in values])
    kinds = [False] * len(features.numeric) + [True] * len(features.categorical)
    return np.array(columns, dtype=np.float64).T, kinds


def _stage(model: HistGradientBoostingClassifier, matrix: Float64s, trees: int) -> Float64s:
    """Logits ``(rows, classes)`` after some trees; with two classes the first one's are 0."""
    decision = next(islice(model.staged_decision_function(matrix), trees - 1, None))
    single = decision.ndim == 1 or decision.shape[1] == 1
    logits: Float64s = np.stack([np.zeros(len(matrix)), decision.reshape(-1)], axis=1) if single else decision
    return logits
