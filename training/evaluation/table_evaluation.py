"""``evenhand evaluate`` in order: load the bundle, read the table, run the bundle's graph, compute figures.

The result is plain JSON with stable keys (:data:`FORMAT` counts their versions):

- ``format``; ``made``: ``utc``, ``evenhand``, ``libraries``.
- ``bundle``: ``name``, ``version``, ``sha256`` (of its manifest, which names every file's hash),
  ``created_utc``, ``base``, ``base_sha256``, ``labels``, ``certified``, ``certificate``, ``intended_use``,
  ``attributes`` (``name``, ``reference``, ``threshold``, ``mode``, ``why``).
- ``data``: ``file``, ``sha256``, ``same_as_fitted`` (the file that the bundle was fitted on), ``columns``,
  ``favourable``, ``only``, ``split_of_fit`` (``only`` names splits of the fit itself), ``rows``
  (``in_file``, ``judged``, ``refused``, ``left_out`` per split), ``features`` (of a model of tables:
  how many are ``compared``, and ``changed``: ``name``, ``status``, ``said``, ``stability_index`` of each
  that is absent, empty or drifted; else ``null``), ``truncated``, ``absent_attributes``, ``new_groups``.
- ``refused``: ``row_number`` and ``reason`` of each row that could not be used.
- ``figures``: what :func:`evenhand.training.evaluation.bundle_score.score` and
  :func:`evenhand.training.evaluation.detail.overall` give; under ``attributes`` each attribute and
  intersection, with what :func:`evenhand.training.evaluation.detail.of_attribute` gives as well.

Every rate is ``n``, ``value``, ``low``, ``high`` (95 %); ``null`` where no row supports it.
"""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.console import say, track
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.runner import make_runner
from evenhand.tables.read import read_table
from evenhand.tables.table import Refused, Table
from evenhand.training.data.select_rows import RowSelection, SelectedRows, select_rows
from evenhand.training.evaluation import detail
from evenhand.training.evaluation.bundle_score import answer, score
from evenhand.training.evaluation.feature_drift import feature_changes

FORMAT = 1
FEW_REASONS = 5
"""So many reasons why rows cannot be used are said on the screen; page and JSON have all."""
LIBRARIES = ("onnxruntime", "tokenizers", "numpy")


def evaluate_table(bundle_path: Path, data: str | Path, selection: RowSelection) -> dict[str, Any]:
    """Evaluate a bundle on a table.

    Returns:
        What the module's docstring says.

    Raises:
        BundleError: the bundle cannot be verified or does not run here.
        DataError: the table cannot be used.
    """
    bundle = bundles.load(bundle_path)
    table = read_table(data)
    say(f"{table.name}: {table.total} rows; encoding those to evaluate")
    selected = select_rows(table, bundle, selection)
    say(f"evaluating {len(selected.rows)} rows; {refused_in_words(selected.refused)}")
    if table.sha256 == bundle.manifest.provenance.data_sha256 and not selected.selection.only:
        say("the bundle was fitted on this table, and has learnt from many of these rows: see --split test")
    return {
        "format": FORMAT,
        "made": {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "evenhand": importlib.metadata.version("evenhand"),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        },
        "bundle": _bundle(bundle),
        "data": _data(table, bundle, selected),
        "refused": [asdict(row) for row in selected.refused],
        "figures": figures(bundle, selected),
    }


def refused_in_words(refused: Sequence[Refused]) -> str:
    """How many rows cannot be used, and the most frequent reasons, each with the number of its first row."""
    first: dict[str, int] = {}
    for row in refused:
        first.setdefault(row.reason, row.row_number)
    counts = Counter(row.reason for row in refused).most_common(FEW_REASONS)
    reasons = "; ".join(f"{count}: {reason}, first in row {first[reason]}" for reason, count in counts)
    return f"{len(refused)} cannot be used{f' ({reasons})' if reasons else ''}"


def figures(bundle: Bundle, selected: SelectedRows) -> dict[str, Any]:
    """Run the graph over the selected rows and compute the figures."""
    answers = answer(make_runner(bundle), bundle.manifest, selected.encoded, np.arange(len(selected.rows)))
    scored = score(answers, selected.rows, selected.schema, bundle.manifest.target)
    attributes = scored["attributes"]
    for name, of in track(attributes.items(), len(attributes), "calibration and intervals per attribute"):
        of.update(detail.of_attribute(answers, selected.rows, selected.schema, name))
    return {**scored, **detail.overall(answers, selected.rows, selected.schema)}


def _bundle(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "sha256": bundle.sha256,
        "created_utc": manifest.created_utc,
        "base": manifest.provenance.base,
        "base_sha256": manifest.provenance.base_sha256,
        "labels": manifest.labels,
        "certified": manifest.certified,
        "certificate": manifest.certificate.model_dump(mode="json") if manifest.certificate else None,
        "intended_use": manifest.intended_use,
        "attributes": [
            attribute.model_dump(mode="json", exclude={"groups"}) for attribute in manifest.attributes
        ],
    }


def _data(table: Table, bundle: Bundle, selected: SelectedRows) -> dict[str, Any]:
    selection = selected.selection
    return {
        "file": table.name,
        "sha256": table.sha256,
        "same_as_fitted": table.sha256 == bundle.manifest.provenance.data_sha256,
        "columns": {
            "text": None if bundle.manifest.task == "table" else selection.text,
            "text_pair": selection.text_pair,
            "label": selection.label,
            "attributes": list(selection.attributes),
            "split": selection.split,
        },
        "favourable": list(selection.favourable),
        "only": list(selection.only),
        "split_of_fit": selection.fit_splits is not None,
        "rows": {
            "in_file": table.total,
            "judged": len(selected.rows),
            "refused": len(selected.refused),
            "left_out": selected.left_out,
        },
        "features": _features(table, bundle, selected),
        "truncated": sum(row.truncated for row in selected.encoded),
        "absent_attributes": list(selected.absent),
        "new_groups": {name: list(groups) for name, groups in selected.new_groups.items()},
    }


def _features(table: Table, bundle: Bundle, selected: SelectedRows) -> dict[str, Any] | None:
    """How the features differ from those that the bundle was fitted on."""
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    if not isinstance(encoder, TableEncoder):
        return None
    changed = feature_changes(table, selected.rows.row + 1, encoder.features)
    return {"compared": len(encoder.features.names), "changed": [asdict(change) for change in changed]}
