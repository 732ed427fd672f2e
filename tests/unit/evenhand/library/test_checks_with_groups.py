"""Checks of estimators where a correction is learnt: their rows are split into made-up groups."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from evenhand import FairClassifier
from evenhand.library.correction import label_texts

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exports_once")]


class Grouped(FairClassifier):
    """Makes up a group for every row; the last class is favourable."""

    def fit(self, X, y):  # noqa: N803
        groups = np.arange(len(X)) % 2 if hasattr(X, "__len__") and not hasattr(X, "tocsr") else None
        return super().fit(X, y, sensitive_features=groups)

    def _favourable(self):
        return (label_texts(self.classes_)[-1],)


@pytest.mark.filterwarnings("ignore::evenhand.NotCorrectedWarning", "ignore::UserWarning")
@parametrize_with_checks(
    [Grouped(LogisticRegression(), certificate=False, max_cell_loss=None, max_loss=20.0)]
)
def test_scikit_learns_own_checks_pass_with_a_correction(estimator: FairClassifier, check) -> None:
    check(estimator)
