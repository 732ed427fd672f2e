"""``evenhand fit`` with several labels: one bundle per label, from one table, in one command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenhand.models.bundle.manifest import Manifest
    from evenhand.tables.table import Table
    from evenhand.training.learning.config import FitConfig


def fit_each(
    config: FitConfig,
    labels: Sequence[str],
    table: Table,
    places: tuple[Path, Path] | None,
    fit_one: Callable[[FitConfig, Table, tuple[Path, Path] | None], None],
) -> None:
    """Fit a bundle per label; one that cannot be fitted does not stop the others.

    Args:
        config: Of a fit; the label, the name and the favourable label of each are put in.
        labels: Columns with a label.
        table: The data.
        places: Folder of the bundles and of the checkpoints; ``None`` for a dry run.
        fit_one: Fits one bundle.

    Raises:
        DataError: the labels cannot be names of folders, or at least one bundle was not written.
    """
    from evenhand.console import say, say_error
    from evenhand.models.network.family import UnsupportedBaseError
    from evenhand.models.onnx.torch_export import ParityError
    from evenhand.training.data.dataset import DataError

    _check(labels)
    failed: list[str] = []
    for label in labels:
        own = for_label(config, label, labels)
        folders = None if places is None else (places[0] / label, places[1] / label)
        say(f"label {label}, {labels.index(label) + 1} of {len(labels)}")
        try:
            if folders is not None and is_fitted(folders[0], own, table.sha256):
                say(f"{folders[0]} was fitted with these settings on this table: left as it is")
                continue
            fit_one(own, table, folders)
        except (DataError, ParityError, UnsupportedBaseError) as error:
            failed.append(label)
            say_error(error, f"label {label}")
    if places is not None:
        _show_summary(places[0], [label for label in labels if label not in failed])
    if failed:
        raise DataError(f"not fitted: {', '.join(failed)} (above: why); the other bundles stand")


def for_label(config: FitConfig, label: str, labels: Sequence[str]) -> FitConfig:
    """The settings of one label's bundle.

    ``--favourable insult=0`` is of the label insult alone, ``--favourable 0`` of the others.
    """
    columns = config.columns
    of_labels = [text.partition("=") for text in columns.favourable if text.partition("=")[0] in labels]
    own = tuple(value for name, sign, value in of_labels if sign and name == label)
    common = tuple(text for text in columns.favourable if text.partition("=")[0] not in labels)
    others = tuple(other for other in labels if other != label)
    changed = replace(columns, label=label, favourable=own or common, other_labels=others)
    return replace(config, columns=changed, name=f"{config.name}-{label}")


def is_fitted(folder: Path, config: FitConfig, data_sha256: str) -> bool:
    """Whether a folder holds the bundle of these settings and this table."""
    from evenhand.models.bundle.bundle import BundleError, read_manifest

    try:
        manifest, _ = read_manifest(folder)
    except BundleError:
        return False
    settings = json.loads(json.dumps(config.as_dict()))
    same = all(
        manifest.provenance.settings.get(name) == value for name, value in settings.items() if name != "card"
    )
    return same and manifest.provenance.data_sha256 == data_sha256 and manifest.version == config.version


def _check(labels: Sequence[str]) -> None:
    """Refuse labels that are no names of folders, or twice the same."""
    from pydantic import TypeAdapter, ValidationError

    from evenhand.models.bundle.manifest import Name
    from evenhand.training.data.dataset import DataError

    for label in labels:
        if labels.count(label) > 1:
            raise DataError(f"--label {label}: name it once")
        try:
            TypeAdapter(Name).validate_python(label)
        except ValidationError:
            raise DataError(
                f"--label {label}: of several labels each names a folder; give the column a name of letters, "
                "digits and ._+-"
            ) from None


def _show_summary(out: Path, labels: Sequence[str]) -> None:
    """Print a line per bundle: what its test rows say."""
    from rich.console import Console
    from rich.table import Table as Printed

    from evenhand.models.bundle.bundle import read_manifest

    if not labels:
        return
    printed = Printed("label", "test rows", "accuracy", "worst cell", "largest gap", "certified")
    for label in labels:
        manifest, _ = read_manifest(out / label)
        printed.add_row(label, *summary(manifest))
    console = Console()
    console.print(printed)
    console.print(f"In {out}. Base -> corrected, in percent; the gap is the equalized odds difference.")


def summary(manifest: Manifest) -> tuple[str, ...]:
    """Test rows, accuracy, worst cell, the largest gap over attributes, and whether it is certified."""
    figures: dict[str, Any] = manifest.evaluation["test"]
    accuracy = [figures["accuracy"][side]["value"] for side in ("base", "final")]
    cells = [
        (figures["worst_cell"][side] or {}).get("accuracy", {}).get("value") for side in ("base", "final")
    ]
    of_attributes = [of["equalized_odds_difference"] for of in figures["attributes"].values()]
    gaps = [
        max((of[side] for of in of_attributes if of[side] is not None), default=None)
        for side in ("base", "final")
    ]
    return (
        f"{figures['rows']:,}",
        *(_change(*pair) for pair in (accuracy, cells, gaps)),
        "yes" if manifest.certified else "no",
    )


def _change(base: float | None, final: float | None) -> str:
    return " -> ".join("-" if value is None else f"{100 * value:.1f}" for value in (base, final))
