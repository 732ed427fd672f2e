"""``evenhand track``. Light to import: the command loads what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenhand.cli.refusal import refuse


def track(
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder of a bundle, a file of `evaluate --json`, or the folder of `compare --out`."
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(help="MLflow's tracking store; MLFLOW_TRACKING_URI, or its own default, if not given."),
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="Experiment that the run is in.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Register the bundle as a model of this name as well.")
    ] = None,
) -> None:
    """Log the figures of a fit, an evaluation or a comparison as an MLflow run; prints the run's id."""
    import mlflow

    from evenhand import mlflow as tracking
    from evenhand.models.bundle.bundle import MANIFEST, BundleError

    is_bundle = (path / MANIFEST).is_file()
    if model and not is_bundle:
        refuse(f"--model {model}: {path} is no bundle", 2)
    try:
        if to:
            mlflow.set_tracking_uri(to)
        if experiment:
            mlflow.set_experiment(experiment)
        if not is_bundle:
            log = tracking.log_comparison if path.is_dir() else tracking.log_evaluation
            typer.echo(log(path))
            return
        with mlflow.start_run(run_name=path.resolve().name) as run:
            tracking.log_fit(path)
            if model:
                tracking.log_model(path, name=model, registered_model_name=model)
        typer.echo(run.info.run_id)
    except (BundleError, ValueError, OSError, mlflow.exceptions.MlflowException) as error:
        refuse(str(error).splitlines()[0], 1)
