"""A fitted estimator and held-out rows to a bundle, by the stages of ``evenhand fit --model``."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from evenhand.console import messages_to
from evenhand.library.bundle_model import BundleModel
from evenhand.library.inputs import Cells, Features
from evenhand.models.bundle.manifest import Name
from evenhand.models.bundle.target import MEASURES
from evenhand.tables.cells import clean, text_of
from evenhand.tables.ranges import Ranges, RangesError
from evenhand.tables.table import DataError, Table, content_sha256
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema, from_table, hold_out
from evenhand.training.data.roles import label_column
from evenhand.typing import Array, Ints

NEEDED = {"torch": "train", "transformers": "train", "skl2onnx": "boxes", "onnxmltools": "boxes"}
"""Packages that learning a correction needs, and the extra that brings each."""
LABEL, SPLIT = "label", "split"


@dataclass(frozen=True)
class Aim:
    """What a correction is for, what it may cost, and how it is learnt; the constructor's arguments."""

    target: str | Mapping[str, str]
    max_loss: float
    """Points."""
    max_cell_loss: float | None
    """Points."""
    favourable: tuple[str, ...]
    references: Mapping[str, str]
    ranges: Mapping[str, tuple[str, ...]]
    method: str
    certificate: bool
    hold_out: float
    name: str
    seed: int


@dataclass(frozen=True)
class Problem:
    """Rows, split and held out, before anything is learnt."""

    features: Features
    rows: Rows
    schema: Schema
    columns: Columns
    sha256: str

    def of(self, *splits: str) -> Ints:
        """Positions in ``X`` of the rows of some splits."""
        return self.rows.row[self.rows.of(*splits)]


def require_packages() -> None:
    """Refuse to learn without the packages that it needs.

    Raises:
        ImportError: one is missing; the message names the extra.
    """
    missing = {extra for name, extra in NEEDED.items() if importlib.util.find_spec(name) is None}
    if missing:
        extras = ",".join(sorted(missing))
        raise ImportError(f"learning a correction needs more packages: pip install 'evenhand[{extras}]'")


def check_aim(aim: Aim, attributes: tuple[str, ...]) -> None:
    """Refuse settings that no data could make right.

    Raises:
        ValueError: one of the arguments; the message names it.
    """
    from evenhand.training.correctors import correctors

    named = {"": aim.target} if isinstance(aim.target, str) else dict(aim.target)
    for attribute, measure in named.items():
        if measure not in MEASURES:
            raise ValueError(f"target={measure!r}: a measure is one of {', '.join(MEASURES)}")
        if attribute and attribute not in attributes:
            raise ValueError(f"target names {attribute!r}, no sensitive feature: {', '.join(attributes)}")
    strange = sorted(set(aim.references) - set(attributes))
    if strange:
        raise ValueError(f"references names {strange[0]!r}, no sensitive feature: {', '.join(attributes)}")
    _check_numbers(aim)
    usable = [name for name, of in correctors().items() if of.chosen and not of.layers]
    if aim.method not in usable:
        raise ValueError(f"method={aim.method!r}: a fitted estimator is corrected by {', '.join(usable)}")


def checked_ranges(
    ranges: Mapping[str, Sequence[str]], attributes: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """The names of each sensitive feature's ranges, as its groups are called.

    Raises:
        ValueError: there is no such sensitive feature, or they are no ranges; the message names it.
    """
    checked = {}
    for name, texts in ranges.items():
        if name not in attributes:
            raise ValueError(f"ranges names {name!r}, no sensitive feature: {', '.join(attributes)}")
        try:
            checked[clean(name)] = Ranges(texts.split(",") if isinstance(texts, str) else texts).names
        except RangesError as error:
            raise ValueError(f"ranges of {name!r}: {error}") from error
    return checked


def _check_numbers(aim: Aim) -> None:
    losses = {"max_loss": aim.max_loss, "max_cell_loss": aim.max_cell_loss}
    for argument, points in losses.items():
        if not (points is None and argument == "max_cell_loss") and not _between(points, 0, 100):
            raise ValueError(f"{argument}={points!r}: points of accuracy, from 0 to 100")
    if not _between(aim.hold_out, 0, 1) or aim.hold_out in (0, 1):
        raise ValueError(f"hold_out={aim.hold_out!r}: a share of the training rows, between 0 and 1")
    try:
        TypeAdapter(Name).validate_python(aim.name)
    except ValidationError:
        raise ValueError(
            f"name={aim.name!r}: at most 64 letters, digits, spaces and . _ + -, the first a letter or digit"
        ) from None


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float | np.number) and bool(low <= value <= high)


def label_texts(classes: Array) -> tuple[str, ...]:
    """How a bundle writes each class.

    Raises:
        DataError: one reads as a missing label, or two are written alike.
    """
    cells = [text_of(value) for value in classes.tolist()]
    column = label_column(Table("y", "", {LABEL: cells}, list(range(1, len(cells) + 1))), LABEL)
    texts = column.texts()
    for value, text in zip(classes.tolist(), texts, strict=True):
        if text is None:
            raise DataError(f"the class {value!r} reads as a missing label; give it another name")
    if len(set(texts)) < len(texts):
        raise DataError(f"two of the classes {classes.tolist()} are the same as text; rename one")
    return tuple(str(text) for text in texts)


def problem_of(
    features: Features, labels: list[str], groups: Cells, split: list[str | None] | None, aim: Aim
) -> Problem:
    """Split the rows and hold some out.

    Raises:
        ValueError: a sensitive feature has the name of another column with other values.
        DataError: the data cannot be learnt from; the message says why.
    """
    cells = dict(features.cells)
    for name, column in groups.items():
        if cells.setdefault(name, column) != column:
            raise ValueError(
                f"sensitive_features: {name!r} is also a column of X, with other values; rename one of them"
            )
    label, split_name = _free(LABEL, cells), _free(SPLIT, cells)
    cells[label] = list(labels)
    if split is not None:
        cells[split_name] = split
    columns = Columns(
        text="",
        label=label,
        attributes=tuple(groups),
        split=None if split is None else split_name,
        references={clean(name): group for name, group in aim.references.items()},
        ranges=dict(aim.ranges),
        task="table",
        features=features.names,
        favourable=aim.favourable,
        raw=True,
        raw_texts=tuple(sorted(features.texts)),
    )
    table = Table("X", content_sha256(cells), cells, list(range(1, len(labels) + 1)))
    rows, schema = from_table(table, columns, aim.seed)
    return Problem(features, hold_out(rows, aim.hold_out, aim.seed), schema, columns, table.sha256)


def learn(
    estimator: Any,  # noqa: ANN401 - any that follows scikit-learn's rules
    problem: Problem,
    labels: tuple[str, ...],
    aim: Aim,
    log: Callable[[str], None],
) -> BundleModel:
    """Convert a fitted estimator, learn detectors and a correction, certify, and write a bundle.

    Args:
        estimator: Fitted on the rows of the split ``train``, or frozen.
        problem: The rows.
        labels: Of the estimator's classes, in their order.
        aim: What the correction is for.
        log: Is called with each message.

    Raises:
        DataError: the estimator cannot be converted or proven, or the rows do not suffice.
    """
    from evenhand.models.network.family import UnsupportedBaseError
    from evenhand.models.onnx.torch_export import ParityError
    from evenhand.training.boxes.box import of_estimator
    from evenhand.training.fit.run import FitData, run_held_out

    kind = type(getattr(estimator, "estimator", estimator) if _frozen(estimator) else estimator).__name__
    with _state_kept(), messages_to(log), tempfile.TemporaryDirectory() as folder:
        box = replace(of_estimator(estimator, kind), name=kind, labels=labels, types=problem.features.types)
        config = _config(aim, problem.columns, kind, held_out=not _frozen(estimator))
        data = FitData(problem.rows, problem.schema, problem.sha256)
        try:
            out = run_held_out(config, data, box, Path(folder) / "bundle", Path(folder) / "work")
        except (ParityError, UnsupportedBaseError) as error:
            raise DataError(str(error)) from error
        return BundleModel.of(out)


def in_python(message: object) -> str:
    """A message of the command line with the names of arguments in the place of options."""
    return re.sub(r"--([a-z][a-z-]+)", lambda option: option[1].replace("-", "_"), str(message))


def _frozen(estimator: Any) -> bool:  # noqa: ANN401
    return type(estimator).__name__ == "FrozenEstimator"


def _config(aim: Aim, columns: Columns, base: str, held_out: bool) -> Any:  # noqa: ANN401 - loads torch
    from evenhand.training.learning.config import (
        BaseConfig,
        BoxConfig,
        CorrectionConfig,
        DetectorConfig,
        FitConfig,
        TargetConfig,
    )

    # Which measures there are was checked before.
    one: Any = aim.target if isinstance(aim.target, str) else None
    own: dict[str, Any] = {} if isinstance(aim.target, str) else dict(aim.target)
    target = TargetConfig(
        measure=one,
        measures=tuple(own.items()),
        max_loss=aim.max_loss / 100,
        max_cell_loss=None if aim.max_cell_loss is None else aim.max_cell_loss / 100,
    )
    return FitConfig(
        name=aim.name,
        base=base,
        base_name=base,
        columns=columns,
        seed=aim.seed,
        box=BoxConfig("", held_out=held_out),
        base_stage=replace(BaseConfig.of("table"), keep=True, hold_out=aim.hold_out),
        detector=DetectorConfig.of(box=True),
        correction=CorrectionConfig(method=aim.method, target=target, require_certificate=aim.certificate),
    )


def _free(name: str, taken: Mapping[str, object]) -> str:
    """The name, or with a number that no column has."""
    names = [name, *(f"{name} {number}" for number in range(2, len(taken) + 3))]
    return next(each for each in names if each not in taken)


@contextlib.contextmanager
def _state_kept() -> Iterator[None]:
    """Learning sets torch's seed and switches, and filters of warnings; the caller's stay as they were."""
    import torch

    strict, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    numpy_state = np.random.get_state()
    with torch.random.fork_rng(), warnings.catch_warnings():
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict, warn_only=warn_only)
            np.random.set_state(numpy_state)
