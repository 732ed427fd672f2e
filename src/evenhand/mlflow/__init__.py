"""Bundles as an MLflow model flavour, and figures of ``fit``, ``evaluate`` and ``compare`` as runs.

Needs the extra ``mlflow``.

>>> import evenhand.mlflow
>>> evenhand.mlflow.log_model(classifier, name="salaries")  # doctest: +SKIP
"""

from evenhand.mlflow.figures import log_comparison, log_evaluation, log_fit
from evenhand.mlflow.flavour import _load_pyfunc as _load_pyfunc
from evenhand.mlflow.flavour import load_model, log_model, save_model

__all__ = ["load_model", "log_comparison", "log_evaluation", "log_fit", "log_model", "save_model"]
