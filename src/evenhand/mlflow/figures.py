"""Figures of ``evenhand fit``, ``evaluate`` and ``compare`` as MLflow runs: gains and losses alike."""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import mlflow

from evenhand.mlflow.flavour import bundle_of
from evenhand.models.bundle import bundle as bundles

Plain = Mapping[str, Any]
Metrics = dict[str, float]
ENDS = ("value", "low", "high")
SIDES = ("base", "final")
COMPARED = ("accuracy", "accuracy_difference", "target", "target_difference", "largest_cell_loss")
COMPARISON, ADVICE = "comparison.json", "recommendation.json"


def log_fit(model: Any, run_name: str | None = None) -> str:  # noqa: ANN401 - see bundle_of
    """Log a fit: settings, certificate, every figure of its validation and test rows, card and manifest.

    Args:
        model: A fitted ``FairClassifier``, a ``BundleModel``, or the folder of a bundle.
        run_name: Of the new run; an active run is used instead of a new one.

    Returns:
        The run's id.

    Raises:
        BundleError: the folder holds no bundle that may be served.
        ValueError: the classifier has no bundle.
    """
    bundle = bundle_of(model)
    manifest = bundle.manifest
    with _run(run_name or manifest.name, "fit") as run_id:
        target = manifest.target
        mlflow.log_params(
            {
                "base": manifest.provenance.base,
                "method": manifest.correction.method,
                "target": "" if target is None else target.in_words(),
                "certified": manifest.certified,
                "seed": manifest.provenance.seed,
                "bundle_sha256": bundle.bundle.sha256,
                **{f"rows_{split}": n for split, n in manifest.provenance.rows.items()},
                **{f"mode_{of.name}": of.mode for of in manifest.attributes},
            }
        )
        evaluation = json.loads(bundle.files.get(bundles.EVALUATION, b"{}"))
        for split, figures in evaluation.items():
            mlflow.log_metrics(metrics_of(figures, split))
        for name in (bundles.MANIFEST, bundles.CARD, bundles.EVALUATION):
            if name in bundle.files:
                mlflow.log_text(bundle.files[name].decode(), name)
    return run_id


def log_evaluation(result: Plain | str | Path, run_name: str | None = None) -> str:
    """Log an evaluation.

    Args:
        result: What ``evenhand evaluate --json`` writes: the file, or its content.
        run_name: Of the new run; an active run is used instead of a new one.

    Returns:
        The run's id.

    Raises:
        ValueError: it is no such result.
    """
    plain = _read(result, ("bundle", "data", "figures"), "evenhand evaluate --json")
    bundle, data = plain["bundle"], plain["data"]
    with _run(run_name or f"{bundle['name']} on {data['file']}", "evaluate") as run_id:
        mlflow.log_params(
            {
                "bundle": f"{bundle['name']} {bundle['version']}",
                "bundle_sha256": bundle["sha256"],
                "certified": bundle["certified"],
                "data": data["file"],
                "data_sha256": data["sha256"],
                "rows": plain["figures"]["rows"],
                "rows_refused": data["rows"]["refused"],
            }
        )
        mlflow.log_metrics(metrics_of(plain["figures"], "evaluation"))
        mlflow.log_dict(dict(plain), "evaluation.json")
    return run_id


def log_comparison(folder: str | Path, run_name: str | None = None) -> str:
    """Log a comparison: a run with the recommendation, and within it a run per method.

    Figures are means over seeds; those of each seed are in ``comparison.json``.

    Args:
        folder: That ``evenhand compare --out`` wrote.
        run_name: Of the new run; an active run is used instead of a new one.

    Returns:
        The id of the run that holds the others.

    Raises:
        ValueError: it is no such folder.
    """
    folder = Path(folder)
    results, advice = (_json(folder / name, "evenhand compare --out") for name in (COMPARISON, ADVICE))
    by_method: dict[str, list[Plain]] = defaultdict(list)
    for result in results:
        by_method[result["method"]].append(result)
    with _run(run_name or folder.name, "compare") as run_id:
        mlflow.set_tags(
            {"evenhand.verdict": advice["verdict"], "evenhand.recommended": advice["method"] or "none"}
        )
        for method, own in by_method.items():
            _log_method(method, own, advice["method"] == method)
        for file in (folder / COMPARISON, folder / ADVICE, folder / "table.txt", folder / "figures.csv"):
            if file.is_file():
                mlflow.log_artifact(str(file))
    return run_id


def _log_method(method: str, results: list[Plain], recommended: bool) -> None:
    """A run of its own, of the results of all seeds."""
    done = [result for result in results if not result["failed"]]
    with mlflow.start_run(run_name=method, nested=True):
        mlflow.set_tags({"evenhand.kind": "method", "evenhand.recommended": recommended})
        mlflow.log_params({"method": method, "seeds": ", ".join(str(of["seed"]) for of in results)})
        failed = dict.fromkeys(of["failed"] for of in results if of["failed"])
        if failed:
            mlflow.set_tag("evenhand.failed", "; ".join(failed))
        values: dict[str, list[float]] = defaultdict(list)
        for result in done:
            for split, figures in result["figures"].items():
                for name in COMPARED:
                    for key, value in _ends(f"{split}/{name}", figures.get(name)).items():
                        values[key].append(value)
        mlflow.log_metrics({name: fmean(of) for name, of in values.items()})


def metrics_of(figures: Plain, split: str) -> Metrics:
    """Accuracy, the target's figures, the worst cell and every cell, each without and with the correction.

    Args:
        figures: Those of :func:`evenhand.training.evaluation.bundle_score.score`.
        split: The first part of every name.
    """
    metrics: Metrics = {f"{split}/rows": figures["rows"], f"{split}/flagged_share": figures["flagged_share"]}
    metrics |= _pair(f"{split}/accuracy", figures["accuracy"])
    for aim in figures["target"]["attributes"]:
        metrics |= _pair(f"{split}/{aim['figure']}/{aim['attribute']}", aim)
    for side in SIDES:
        cell = figures["worst_cell"][side]
        metrics |= {} if cell is None else _ends(f"{split}/worst_cell/{side}", cell["accuracy"])
    for attribute, of in figures["attributes"].items():
        for cell in of["cells"]:
            metrics |= _pair(f"{split}/cell/{attribute}/{cell['group']}/{cell['label']}", cell)
    metrics[f"{split}/losing_cells"] = len(figures["target"].get("losing", ()))
    return metrics


def _pair(name: str, figure: Plain) -> Metrics:
    """Without and with the correction, and the difference."""
    metrics: Metrics = {}
    for side in (*SIDES, "difference"):
        metrics |= _ends(f"{name}/{side}", figure.get(side))
    return metrics


def _ends(name: str, figure: Plain | None) -> Metrics:
    """A figure and its 95 % interval; nothing where no row supports it."""
    if figure is None or figure.get("value") is None:
        return {}
    names = {"value": name, "low": f"{name}/low", "high": f"{name}/high"}
    return {_name(names[end]): float(figure[end]) for end in ENDS if figure.get(end) is not None}


def _name(text: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", text)


@contextlib.contextmanager
def _run(name: str, kind: str) -> Iterator[str]:
    """The active run, or a new one."""
    active = mlflow.active_run()
    with contextlib.nullcontext(active) if active else mlflow.start_run(run_name=name) as run:
        mlflow.set_tag("evenhand.kind", kind)
        yield str(run.info.run_id)


def _read(result: Plain | str | Path, keys: tuple[str, ...], what: str) -> Plain:
    plain = _json(Path(result), what) if isinstance(result, str | Path) else result
    if not isinstance(plain, Mapping) or not set(keys) <= set(plain):
        raise ValueError(f"not a result of `{what}`: it lacks {', '.join(keys)}")
    return plain


def _json(file: Path, what: str) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: not a result of `{what}` ({error})") from error
