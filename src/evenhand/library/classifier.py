"""``FairClassifier``: a classifier of scikit-learn's kind, corrected, that reads no group at predict."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import _safe_indexing, check_consistent_length, check_random_state, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from evenhand.console import show
from evenhand.library import correction
from evenhand.library.bundle_model import BundleModel, Served
from evenhand.library.inputs import features_of, groups_of, is_frame, items_of
from evenhand.models.bundle.bundle import EVALUATION
from evenhand.tables.table import DataError
from evenhand.typing import Array, Float64s

if TYPE_CHECKING:
    from evenhand.reports.classifier_page import ClassifierReport

SEEDS = 2**31 - 1
SPLITS = ("train", "val", "test")


class NotCorrectedWarning(UserWarning):
    """The classifier answers as its estimator does, and the message says why."""


def _has_probabilities(classifier: FairClassifier) -> bool:
    return hasattr(getattr(classifier, "estimator_", classifier.estimator), "predict_proba")


class FairClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that corrects answers which are probably wrong for a disadvantaged group.

    ``fit`` learns a clone of the estimator on a part of the rows.
    On rows that the clone has not learnt it learns detectors and a correction, and certifies it on others.
    ``predict`` reads ``X`` alone, no sensitive feature.
    Where nothing is proven the estimator's own answers stand, and a :class:`NotCorrectedWarning` says why.

    Args:
        estimator: A classifier with ``predict_proba``. In scikit-learn's ``FrozenEstimator`` it is fitted
            already, and stays as it is.
        target: What should get better: ``worst-cell``, ``equalized-odds``, ``equal-opportunity``,
            ``predictive-equality`` or ``demographic-parity``; or a mapping of sensitive features to these.
        max_loss: Accuracy that the correction may cost, in points.
        max_cell_loss: Accuracy that a cell (label x group) of enough rows may lose, in points; ``None`` for
            no limit.
        favourable: The class that is good for the person, or several. Of two classes it is ``classes_[1]``
            unless it is named; of more it must be named.
        references: By sensitive feature the group that is not corrected; the most frequent one by default.
        ranges: By sensitive feature that is a number its ranges, in ascending order:
            ``{"age": ("<25", "25-39", "40+")}``.
        method: How flagged rows are corrected: ``docs/methods`` has those that need no layers.
        certificate: Whether the correction is off unless exact tests certify it.
        hold_out: Share of the training rows that the estimator does not learn from.
        name: Of the bundle.
        verbose: Whether ``fit`` prints what it does, on standard error.
        random_state: Decides the split and what is learnt. By default it is the same every time, so that
            fitting again draws no other certificate.

    Attributes:
        classes_: ``(classes,)`` the labels.
        estimator_: The fitted estimator.
        bundle_: What :meth:`save` writes; ``None`` where the estimator answers alone.
        certified_: Whether exact tests certify the correction.
        certificate_: The tests, as the manifest has them; ``None`` without a bundle.
        warnings_: Why nothing is corrected, and what was guessed, in sentences.
        log_: The messages of the fit.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where ``X`` has any.
    """

    def __init__(
        self,
        estimator: Any,  # noqa: ANN401
        *,
        target: str | Mapping[str, str] = "worst-cell",
        max_loss: float = 0.5,
        max_cell_loss: float | None = 5.0,
        favourable: Any = None,  # noqa: ANN401
        references: Mapping[str, str] | None = None,
        ranges: Mapping[str, Sequence[str]] | None = None,
        method: str = "offsets",
        certificate: bool = True,
        hold_out: float = 1 / 3,
        name: str = "fair-classifier",
        verbose: bool = False,
        random_state: Any = 0,  # noqa: ANN401
    ) -> None:
        self.estimator = estimator
        self.target = target
        self.max_loss = max_loss
        self.max_cell_loss = max_cell_loss
        self.favourable = favourable
        self.references = references
        self.ranges = ranges
        self.method = method
        self.certificate = certificate
        self.hold_out = hold_out
        self.name = name
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        X: Any,  # noqa: ANN401 - scikit-learn's name
        y: Any,  # noqa: ANN401
        *,
        sensitive_features: Any = None,  # noqa: ANN401
        split: Any = None,  # noqa: ANN401
    ) -> FairClassifier:
        """Fit the estimator, and a correction of it.

        Args:
            X: ``(rows, features)`` a frame of pandas or polars, or an array.
            y: ``(rows,)`` labels.
            sensitive_features: ``(rows,)`` or ``(rows, attributes)`` groups: a frame, a mapping, a series or
                an array; what is missing is unknown. Without them nothing is corrected.
            split: ``(rows,)`` of ``train``, ``val`` and ``test``; drawn if not given, 70, 15 and 15 %.

        Raises:
            ValueError: an argument is wrong; the message names it.
            ImportError: packages that learning needs are not installed.
        """
        X, y = self._checked(X, y)
        self.classes_ = np.unique(y)
        self.bundle_: BundleModel | None = None
        self.certified_ = False
        self.certificate_: dict[str, Any] | None = None
        self.warnings_: tuple[str, ...] = ()
        self.log_: tuple[str, ...] = ()
        if sensitive_features is None or len(self.classes_) < 2:
            why = "no sensitive_features were given" if sensitive_features is None else "y has one class only"
            self._fall_back(X, y, why)
            return self
        groups = groups_of(sensitive_features, len(y))
        cells = None if split is None else _split_cells(split, len(y))
        correction.require_packages()
        try:
            self._correct(X, y, groups, cells, self._aim(tuple(groups)))
        except DataError as error:
            self._fall_back(X, y, correction.in_python(error))
        return self

    def predict(self, X: Any) -> Array:  # noqa: ANN401
        """The label of each row, ``(rows,)``.

        Raises:
            ValueError: a row cannot be read.
        """
        X = self._of_fit(X)
        if self.bundle_ is None:
            own: Array = self.estimator_.predict(X)
            return own
        labels: Array = self.classes_[self._served(X).labels]
        return labels

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Float64s:  # noqa: ANN401
        """The probability of each class, ``(rows, classes)``, in the order of ``classes_``.

        Raises:
            ValueError: a row cannot be read.
        """
        X = self._of_fit(X)
        if self.bundle_ is None:
            own: Float64s = self.estimator_.predict_proba(X)
            return own
        return self._served(X).scores

    def save(self, folder: str | Path) -> Path:
        """Write the bundle, which ``evenhand serve`` takes.

        Raises:
            ValueError: the estimator answers alone, so there is none.
            FileExistsError: there is something of that name.
        """
        return self._own_bundle().write(Path(folder))

    def push_to_hub(self, repo: str, *, private: bool = True, token: str | None = None) -> str:
        """Put the bundle on the Hugging Face hub, from where ``evenhand serve hub:<repo>`` takes it.

        Args:
            repo: ``<owner>/<name>``; ``@<branch>`` for another branch than ``main``.
            private: Whether a repository that is made here is visible to its owner alone.
            token: Of the hub; by default the one that ``hf auth login`` has stored, or ``HF_TOKEN``.

        Returns:
            ``hub:<owner>/<name>@<commit>``, which always names these very files.

        Raises:
            ValueError: the estimator answers alone, so there is no bundle.
            BundleError: the hub refuses it.
        """
        return self._own_bundle().push_to_hub(repo, private=private, token=token)

    def report(self) -> ClassifierReport:
        """Figures on the rows that the fit never saw: what gains and what loses. A notebook shows it.

        Raises:
            ImportError: the extra ``report`` is not installed.
        """
        check_is_fitted(self)
        from evenhand.reports.classifier_page import ClassifierReport, report_of

        if self.bundle_ is None:
            state = "Nothing is corrected: every answer is the estimator's own."
            return ClassifierReport(type(self.estimator_).__name__, state, self.warnings_)
        figures = json.loads(self.bundle_.files[EVALUATION])["test"]
        return report_of(self.bundle_.manifest, figures, self.warnings_)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.input_tags.allow_nan = own.input_tags.allow_nan
        if own.classifier_tags is not None:
            tags.classifier_tags = own.classifier_tags
        return tags

    def _own_bundle(self) -> BundleModel:
        check_is_fitted(self)
        if self.bundle_ is None:
            raise ValueError(f"there is no bundle: {'; '.join(self.warnings_)}")
        return self.bundle_

    def _checked(self, X: Any, y: Any) -> tuple[Any, Array]:  # noqa: ANN401
        """Frames as they are, all else as an array; what ``X`` may hold is the estimator's business."""
        if is_frame(X):
            X, y = validate_data(self, X, y, skip_check_array=True)
            y = column_or_1d(y, warn=True)
        else:
            X, y = validate_data(self, X, y, dtype=None, ensure_all_finite=False)
        check_classification_targets(y)
        check_consistent_length(X, y)
        return X, np.asarray(y)

    def _of_fit(self, X: Any) -> Any:  # noqa: ANN401
        """``X`` at predict, with the features of the fit."""
        check_is_fitted(self)
        if is_frame(X):
            return validate_data(self, X, reset=False, skip_check_array=True)
        return validate_data(self, X, reset=False, dtype=None, ensure_all_finite=False)

    def _aim(self, attributes: tuple[str, ...]) -> correction.Aim:
        aim = correction.Aim(
            target=self.target,
            max_loss=self.max_loss,
            max_cell_loss=self.max_cell_loss,
            favourable=self._favourable(),
            references=dict(self.references or {}),
            ranges=correction.checked_ranges(self.ranges or {}, attributes),
            method=self.method,
            certificate=self.certificate,
            hold_out=self.hold_out,
            name=self.name,
            seed=self.random_state
            if isinstance(self.random_state, int)
            else int(check_random_state(self.random_state).randint(SEEDS)),
        )
        correction.check_aim(aim, attributes)
        return aim

    def _favourable(self) -> tuple[str, ...]:
        if self.favourable is None:
            if len(self.classes_) != 2:
                raise ValueError(
                    f"which of the classes {self.classes_.tolist()} is good for the person? Name it with "
                    "favourable="
                )
            chosen = [self.classes_[1]]
        elif isinstance(self.favourable, list | tuple | set):
            chosen = list(self.favourable)
        else:
            chosen = [self.favourable]
        strange = [value for value in chosen if value not in self.classes_.tolist()]
        if strange or len(chosen) >= len(self.classes_):
            raise ValueError(f"favourable={chosen} must be some, not all, of {self.classes_.tolist()}")
        texts = dict(zip(self.classes_.tolist(), correction.label_texts(self.classes_), strict=True))
        return tuple(texts[value] for value in np.asarray(chosen).tolist())

    def _correct(
        self,
        X: Any,  # noqa: ANN401
        y: Array,
        groups: dict[str, list[str | None]],
        split: list[str | None] | None,
        aim: correction.Aim,
    ) -> None:
        labels = correction.label_texts(self.classes_)
        texts = [labels[code] for code in np.searchsorted(self.classes_, y)]
        problem = correction.problem_of(features_of(X), texts, groups, split, aim)
        train = problem.of("train")
        self.estimator_ = clone(self.estimator).fit(_safe_indexing(X, train), y[train])
        log: list[str] = []

        def note(message: str) -> None:
            log.append(message)
            if self.verbose:
                show(message)

        self.bundle_ = correction.learn(self.estimator_, problem, labels, aim, note)
        self.log_ = tuple(log)
        manifest = self.bundle_.manifest
        self.certified_ = manifest.certified
        self.certificate_ = manifest.certificate.model_dump() if manifest.certificate else None
        if self.favourable is None:
            said = f"favourable= is not given: taken for {aim.favourable[0]!r}, the second of classes_"
            self._warn(said, UserWarning)
        if not any(attribute.mode == "apply" for attribute in manifest.attributes):
            why = "; ".join(dict.fromkeys(attribute.why for attribute in manifest.attributes))
            self._warn(f"the correction is off, and every answer is the estimator's own: {why}")

    def _served(self, X: Any) -> Served:  # noqa: ANN401
        assert self.bundle_ is not None
        return self.bundle_.answer(items_of(features_of(X).cells))

    def _fall_back(self, X: Any, y: Array, why: str) -> None:  # noqa: ANN401
        """Fit the estimator on all rows; it answers alone."""
        self.bundle_ = None
        self.estimator_ = clone(self.estimator).fit(X, y)
        self._warn(f"nothing is corrected, and every answer is the estimator's own: {why}")

    def _warn(self, sentence: str, kind: type[Warning] = NotCorrectedWarning) -> None:
        self.warnings_ += (sentence,)
        warnings.warn(sentence, kind, stacklevel=4)


def _split_cells(split: Any, rows: int) -> list[str | None]:  # noqa: ANN401
    """The split of each row.

    Raises:
        ValueError: one is none of the three, or there are more or fewer than rows.
    """
    names = [str(name) for name in list(split)]
    strange = sorted(set(names) - set(SPLITS))
    if strange or len(names) != rows:
        raise ValueError(
            f"split={strange[0]!r}: it is one of {', '.join(SPLITS)} for each row"
            if strange
            else f"split has {len(names)} values, and X has {rows} rows"
        )
    return list(names)
