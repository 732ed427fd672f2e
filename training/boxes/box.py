"""A fitted model of the user's: the file to a model, with the names of its features and its labels.

A pickle runs the code that it holds, so reading one says so first. Native files of XGBoost, LightGBM and
CatBoost and ONNX files hold no code.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from sklearn.base import is_classifier

from evenhand.console import say
from evenhand.models.onnx.black_box import BoxError, inputs_of, labels_of, read_model
from evenhand.training.data.dataset import DataError

PICKLES = (".joblib", ".pkl", ".pickle")
SUFFIXES = (".onnx", *PICKLES, ".ubj", ".json", ".txt", ".cbm")
CATEGORIES = (
    "it was fitted on pandas categories, which it reads by their place in a list; put scikit-learn's "
    "OrdinalEncoder in front of the classifier, fit that pipeline, and give its .joblib"
)


@dataclass(frozen=True)
class Box:
    """A fitted classifier whose inside is nobody's business here."""

    name: str
    """The file's name."""
    library: str
    """What made it, for the manifest."""
    graph: onnx.ModelProto | None = field(repr=False, default=None)
    """The model itself, where the file is ONNX."""
    estimator: Any = field(repr=False, default=None)
    """The fitted model with ``predict_proba``, where there is one."""
    features: tuple[str, ...] = ()
    """Columns that it was fitted on, in order; empty if it does not name them."""
    width: int | None = None
    """How many columns it reads; ``None`` if that is not known."""
    labels: tuple[str, ...] = ()
    """In the order of its scores; empty if it does not name them."""
    texts: frozenset[str] = frozenset()
    """Columns that it reads as texts, whatever they look like."""
    types: Mapping[str, Any] = field(default_factory=dict)
    """Types of columns of the frame that it was fitted on, where they are more than numbers or texts."""

    def probabilities(self, table: pd.DataFrame | Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """What the library itself answers: ``(rows, classes)``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's library, about names of columns for example
            answer = np.asarray(self.estimator.predict_proba(self._as_fitted(table)), dtype=np.float64)
        return answer

    def answers(self, table: pd.DataFrame | Sequence[str]) -> np.ndarray[Any, np.dtype[np.str_]]:
        """The labels that the library itself predicts, ``(rows,)``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = np.asarray(self.estimator.predict(self._as_fitted(table))).reshape(-1)
        return predicted.astype(str)

    def _as_fitted(self, table: Any) -> Any:  # noqa: ANN401 - a frame to a frame or a matrix
        return table.astype(dict(self.types)) if self.features else table.to_numpy()


def read(path: Path) -> Box:
    """Read a model file, once per process as long as it does not change.

    Raises:
        DataError: it is missing, of another kind, does not load, or is no classifier.
    """
    if not path.is_file():
        raise DataError(f"--model {path}: no such file")
    state = path.stat()
    return _read(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, _size: int, _changed: int) -> Box:
    readers: dict[str, Callable[[Path], Box]] = {
        ".onnx": _onnx,
        **dict.fromkeys(PICKLES, _pickle),
        ".ubj": _xgboost,
        ".json": _xgboost,
        ".txt": _lightgbm,
        ".cbm": _catboost,
    }
    if path.suffix not in readers:
        raise DataError(f"--model {path}: expected a file ending in {', '.join(SUFFIXES)}")
    return replace(readers[path.suffix](path), name=path.name)


def _onnx(path: Path) -> Box:
    try:
        model = read_model(path.read_bytes(), path.parent)
    except BoxError as error:
        raise DataError(f"--model {path}: {error}") from error
    names = tuple(value.name for value in inputs_of(model))
    return Box(
        path.name,
        producer_of(model),
        graph=model,
        features=names if len(names) > 1 else (),
        labels=labels_of(model),
    )


def producer_of(model: onnx.ModelProto) -> str:
    """What wrote an ONNX file, as it says itself."""
    producer = f"ONNX ({model.producer_name} {model.producer_version})".replace(" )", ")").replace("()", "")
    return producer.strip()


def _pickle(path: Path) -> Box:
    import joblib

    say(f"reading {path.name} runs the code that the file holds; fit files that you trust alone")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = joblib.load(path)  # nosec B301 - said above, and the bundle holds no pickle
    except ModuleNotFoundError as error:
        raise DataError(
            f"--model {path}: it needs the Python module {error.name!r}, which is not here; install it, "
            "or name its folder in PYTHONPATH"
        ) from error
    except Exception as error:  # whatever the code in the file raises
        raise DataError(f"--model {path}: it does not load ({_reason(error)})") from error
    for each in caught:
        if "version" in str(each.message):
            say(f"{path.name}: {str(each.message).splitlines()[0]}")
            break
    return of_estimator(model, f"--model {path}")


def of_estimator(model: Any, where: str) -> Box:  # noqa: ANN401 - any library's
    """A fitted estimator of any library that follows scikit-learn's conventions.

    Args:
        model: The estimator.
        where: What an error calls it.

    Raises:
        DataError: it is no fitted classifier with probabilities.
    """
    if type(model).__name__ == "FrozenEstimator":
        model = model.estimator
    model = getattr(model, "best_estimator_", model)
    if not hasattr(model, "predict"):
        raise DataError(f"{where}: it holds a {type(model).__name__}, and no fitted model")
    if not (is_classifier(model) or hasattr(model, "predict_proba")):
        raise DataError(
            f"{where}: {type(model).__name__} is no classifier; only classifiers can be corrected"
        )
    try:
        has_probabilities = hasattr(model, "predict_proba")
        classes = getattr(model, "classes_", None)
    except AttributeError as error:
        raise DataError(f"{where}: {_reason(error)}") from error
    if not has_probabilities:
        raise DataError(
            f"{where}: {type(model).__name__} has no predict_proba; put it into scikit-learn's "
            "CalibratedClassifierCV and fit that"
        )
    if classes is None:
        raise DataError(f"{where}: {type(model).__name__} is not fitted: it names no classes_")
    if isinstance(classes, list) or np.ndim(classes) != 1:
        raise DataError(f"{where}: it predicts several outputs; fit one classifier per output")
    if type(model).__name__ in ("LGBMClassifier", "XGBClassifier"):
        _check_categories(model.booster_ if hasattr(model, "booster_") else model.get_booster(), where)
    names = tuple(str(name) for name in _feature_names(model))
    width = getattr(model, "n_features_in_", None) or (len(names) or None)
    module = type(model).__module__.partition(".")[0]
    return Box(
        "",
        _version_of(module),
        estimator=model,
        features=names,
        width=None if width is None else int(width),
        labels=tuple(str(value) for value in np.asarray(classes).tolist()),
        texts=frozenset(text_columns(model, names)),
    )


def _check_categories(booster: Any, where: str) -> None:  # noqa: ANN401 - LightGBM's or XGBoost's
    """Refuse trees over pandas categories: the table has none, and ONNX knows none."""
    if getattr(booster, "pandas_categorical", None) or "c" in (getattr(booster, "feature_types", ()) or ()):
        raise DataError(f"{where}: {CATEGORIES}")


def _feature_names(model: Any) -> Sequence[Any]:  # noqa: ANN401
    """Names of the columns that a model was fitted on; none where it made them up itself."""
    for attribute in ("feature_names_in_", "feature_names_", "feature_name_"):
        try:
            names = getattr(model, attribute, None)
        except Exception:  # noqa: S112 - XGBoost raises where it has none
            continue
        if names is not None and len(names):
            listed = list(names)
            made_up = {f"Column_{place}" for place in range(len(listed))} | {
                str(place) for place in range(len(listed))
            }
            return [] if set(map(str, listed)) <= made_up else listed
    return []


def text_columns(model: Any, names: Sequence[str]) -> list[str]:  # noqa: ANN401
    """Columns whose encoder or imputer has learnt texts: digits stay digits, and codes keep their zeros."""
    columns: list[str] = []
    for part, of_part in _parts(model, names):
        learnt = getattr(part, "categories_", None)
        if learnt is None:  # An imputer in front of the encoder has learnt a text per column.
            learnt = [[value] for value in getattr(part, "statistics_", ())]
        for column, categories in zip(of_part, learnt, strict=False):
            values = [value for value in np.asarray(categories, dtype=object).tolist() if not _is_nan(value)]
            if values and all(isinstance(value, str) for value in values):
                columns.append(column)
    return columns


def _parts(model: Any, names: Sequence[str]) -> list[tuple[Any, Sequence[str]]]:  # noqa: ANN401
    """What reads the table's own columns: a model, or the transformers in front of it."""
    if hasattr(model, "steps"):
        return _parts(model.steps[0][1], names)
    if hasattr(model, "transformers_"):
        return [
            each
            for _, part, columns in model.transformers_
            if not isinstance(part, str)
            for each in _parts(part, _named(columns, names))
        ]
    return [(model, names)]


def _named(columns: Any, names: Sequence[str]) -> list[str]:  # noqa: ANN401 - names, places, mask or slice
    listed = [columns] if isinstance(columns, str) else columns
    if all(isinstance(column, str) for column in listed if not isinstance(listed, slice)) and not isinstance(
        listed, slice
    ):
        return list(listed)
    return [str(name) for name in np.asarray(names, dtype=object)[listed]] if len(names) else []


def _xgboost(path: Path) -> Box:
    xgboost = _library("xgboost", path)
    model = xgboost.XGBClassifier()
    try:
        model.load_model(path)
        booster = model.get_booster()
        classes = getattr(model, "classes_", None)
    except Exception as error:  # XGBoost's errors are its C library's
        raise DataError(f"--model {path}: XGBoost does not read it ({_reason(error)})") from error
    objective = booster.save_config()
    if '"binary:logistic"' not in objective and '"multi:soft' not in objective:
        raise DataError(
            f"--model {path}: its objective is none of a classifier (binary:logistic, multi:softprob)"
        )
    _check_categories(booster, f"--model {path}")
    names = tuple(booster.feature_names or ())
    return Box(
        path.name,
        _version_of("xgboost"),
        estimator=model,
        features=names,
        width=int(booster.num_features()),
        labels=() if classes is None else tuple(str(value) for value in classes),
    )


class _Booster:
    """A LightGBM booster with scikit-learn's methods."""

    def __init__(self, booster: Any) -> None:  # noqa: ANN401
        self.booster = booster

    def predict_proba(self, table: Any) -> Any:  # noqa: ANN401
        """``(rows, classes)``."""
        scores = np.asarray(self.booster.predict(table))
        return np.stack([1 - scores, scores], axis=1) if scores.ndim == 1 else scores

    def predict(self, table: Any) -> Any:  # noqa: ANN401
        """The places of the most probable classes, ``(rows,)``."""
        return self.predict_proba(table).argmax(axis=1)


def _lightgbm(path: Path) -> Box:
    lightgbm = _library("lightgbm", path)
    try:
        booster = lightgbm.Booster(model_file=str(path))
    except Exception as error:  # LightGBM's errors are its C library's
        raise DataError(f"--model {path}: LightGBM does not read it ({_reason(error)})") from error
    objective = str(booster.dump_model(num_iteration=1).get("objective", "")).split(" ")[0]
    if objective not in ("binary", "multiclass"):
        raise DataError(
            f"--model {path}: its objective is {objective!r}, none of a classifier (binary, multiclass)"
        )
    _check_categories(booster, f"--model {path}")
    classes = max(booster.num_model_per_iteration(), 2)
    names = booster.feature_name()
    made_up = names == [f"Column_{place}" for place in range(len(names))]
    return Box(
        path.name,
        _version_of("lightgbm"),
        estimator=_Booster(booster),
        features=() if made_up else tuple(names),
        width=len(names),
        labels=tuple(str(place) for place in range(classes)),
    )


def _catboost(path: Path) -> Box:
    catboost = _library("catboost", path)
    model = catboost.CatBoostClassifier()
    try:
        model.load_model(str(path))
    except Exception as error:  # CatBoost's errors are its C library's
        raise DataError(f"--model {path}: CatBoost does not read it ({_reason(error)})") from error
    return of_estimator(model, f"--model {path}")


def _library(name: str, path: Path) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"--model {path}: it needs {name}; install it with pip") from error


def _version_of(module: str) -> str:
    name = {"sklearn": "scikit-learn"}.get(module, module)
    version = getattr(importlib.import_module(module), "__version__", "")
    return f"{name} {version}".strip()


def _is_nan(value: Any) -> bool:  # noqa: ANN401
    return value is None or (isinstance(value, float) and np.isnan(value))


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
