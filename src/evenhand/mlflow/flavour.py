"""A bundle as an MLflow model: plain files without a pickle, which answer as the service does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.artifacts import download_artifacts
from mlflow.models import Model

from evenhand.library.bundle_model import BundleModel
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Manifest
from evenhand.version import __version__

FLAVOUR = "evenhand"
LOADER = "evenhand.mlflow"
BUNDLE = "bundle"
"""Name of the bundle's folder in the model."""


def bundle_of(model: Any) -> BundleModel:  # noqa: ANN401 - see the docstring
    """The bundle of a fitted ``FairClassifier``, of a ``BundleModel``, or of a folder.

    Raises:
        BundleError: the folder holds none that may be served.
        ValueError: the classifier has no bundle.
    """
    if isinstance(model, str | Path):
        return BundleModel.of(model)
    if isinstance(model, BundleModel):
        return model
    bundle = getattr(model, "bundle_", None)
    if bundle is None:
        why = "; ".join(getattr(model, "warnings_", ())) or "give a fitted FairClassifier, or a folder"
        raise ValueError(f"there is no bundle to log: {why}")
    assert isinstance(bundle, BundleModel)
    return bundle


def save_model(
    model: Any,  # noqa: ANN401 - see bundle_of
    path: str,
    mlflow_model: Model | None = None,
    **more: Any,  # noqa: ANN401
) -> None:
    """Write a bundle as an MLflow model.

    Args:
        model: A fitted ``FairClassifier``, a ``BundleModel``, or the folder of a bundle.
        path: The model's folder; must not exist.
        mlflow_model: What it becomes a part of.
        more: Other arguments of ``mlflow.pyfunc.save_model``, such as ``signature`` and ``input_example``.

    Raises:
        BundleError: as :func:`bundle_of`.
        ValueError: as :func:`bundle_of`.
    """
    bundle = bundle_of(model)
    mlflow_model = Model() if mlflow_model is None else mlflow_model
    mlflow_model.add_flavor(
        FLAVOUR,
        bundle=f"data/{BUNDLE}",
        evenhand_version=__version__,
        bundle_name=bundle.manifest.name,
        bundle_version=bundle.manifest.version,
        bundle_sha256=bundle.bundle.sha256,
    )
    if "conda_env" not in more:
        more.setdefault("pip_requirements", requirements(bundle.manifest))
    with tempfile.TemporaryDirectory() as folder:
        written = bundle.write(Path(folder) / BUNDLE)
        mlflow.pyfunc.save_model(
            path, loader_module=LOADER, data_path=str(written), mlflow_model=mlflow_model, **more
        )


def requirements(manifest: Manifest) -> list[str]:
    """What answering with the bundle needs; torch only for a bundle of the torch engine."""
    extras = ["cpu", "mlflow", *(["image"] if manifest.input.kind == "image" else [])]
    extras += ["torch"] if manifest.graph.engine == "torch" else []
    return [f"evenhand[{','.join(extras)}]=={__version__}"]


def log_model(model: Any, name: str = BUNDLE, **more: Any) -> Any:  # noqa: ANN401
    """Log a bundle to the active run, or to a new one.

    Args:
        model: A fitted ``FairClassifier``, a ``BundleModel``, or the folder of a bundle.
        name: Of the model.
        more: Other arguments of ``mlflow.models.Model.log``, such as ``registered_model_name``, ``signature``
            and ``input_example``.

    Returns:
        MLflow's ``ModelInfo``.

    Raises:
        BundleError: as :func:`bundle_of`.
        ValueError: as :func:`bundle_of`.
    """
    import evenhand.mlflow as flavour

    return Model.log(
        artifact_path=None, name=name, flavor=flavour, model=bundle_of(model), flavor_name=FLAVOUR, **more
    )


def load_model(model_uri: str, dst_path: str | None = None) -> BundleModel:
    """Load a logged bundle, and verify it.

    Args:
        model_uri: Such as ``models:/salaries/1`` or ``runs:/<id>/bundle``.
        dst_path: Folder to download to; a temporary one by default.

    Raises:
        BundleError: a file has changed.
        MlflowException: there is no such model, or it is of another flavour.
    """
    folder = Path(download_artifacts(artifact_uri=model_uri, dst_path=dst_path))
    flavours = Model.load(str(folder)).flavors
    if FLAVOUR not in flavours:
        raise mlflow.exceptions.MlflowException(
            f"{model_uri} is no bundle of Evenhand; its flavours are {', '.join(flavours)}"
        )
    return BundleModel.of(folder / flavours[FLAVOUR]["bundle"])


class PyfuncBundle:
    """What ``mlflow.pyfunc`` loads.

    Args:
        model: The bundle.
    """

    def __init__(self, model: BundleModel) -> None:
        self.model = model

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ANN401
        """One row per input: ``label``, ``score``, ``base_label``, ``base_score`` and ``flagged``.

        Args:
            model_input: A frame; see :meth:`evenhand.library.bundle_model.BundleModel.rows_of`.
            params: Not used.

        Raises:
            ValueError: a row cannot be read.
        """
        served, labels = self.model.answer(self.model.rows_of(model_input)), self.model.manifest.labels
        return pd.DataFrame(
            {
                "label": [labels[code] for code in served.labels],
                "score": served.scores.max(axis=1),
                "base_label": [labels[code] for code in served.base_labels],
                "base_score": served.base_scores.max(axis=1),
                "flagged": served.flagged.any(axis=1),
            }
        )


def _load_pyfunc(path: str) -> PyfuncBundle:
    """MLflow calls this with the folder of the bundle."""
    place = Path(path)
    return PyfuncBundle(BundleModel.of(place if (place / bundles.MANIFEST).exists() else place / BUNDLE))
