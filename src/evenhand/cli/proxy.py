"""``evenhand proxy``. Light to import: the service is imported when it is to start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenhand.cli.serve import end_at_sigterm, serve_settings


@end_at_sigterm()
def proxy(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of bundles whose base is the model behind; EVENHAND_BUNDLES if not given. Without "
            "any, a model that evenhand observe declared is watched, and nothing is corrected."
        ),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="Address of your model server, such as http://triton:8000.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="What it speaks: oip (Open Inference Protocol v2) or json.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Its name of the model, if not the bundle's; without a bundle, a declared model."),
    ] = None,
    route: Annotated[str | None, typer.Option(help="json: the path that predicts.")] = None,
    input_path: Annotated[
        str | None, typer.Option(help="json: where the rows are, as $.instances[*]; oip: the input tensor.")
    ] = None,
    label_path: Annotated[
        str | None, typer.Option(help="json: where each row's label is; oip: the output tensor.")
    ] = None,
    score_path: Annotated[
        list[str] | None, typer.Option(help="The same for scores; may be there several times.")
    ] = None,
    score_of: Annotated[str | None, typer.Option(help="Label whose probability a single number is.")] = None,
    scores: Annotated[str | None, typer.Option(help="What lists hold: probabilities or logits.")] = None,
    label_value: Annotated[
        list[str] | None, typer.Option(help="VALUE=LABEL: how the server writes a label; once per label.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Name of a row's value, in order, where rows are lists.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for a whole reply.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Stand in front of a model server. Every setting is an EVENHAND_ variable too; the command line wins."""
    options = {
        "upstream": upstream,
        "protocol": protocol,
        "model": model,
        "route": route,
        "input_path": input_path,
        "label_path": label_path,
        "score_path": tuple(score_path) if score_path else None,
        "score_of": score_of,
        "scores": scores,
        "label_values": tuple(label_value) if label_value else None,
        "columns": tuple(column) if column else None,
        "timeout_s": timeout,
    }
    serve_settings(
        bundles=tuple(bundles) if bundles else None,
        host=host,
        port=port,
        workers=workers,
        log_level=log_level,
        proxied=True,
        **{f"proxy_{name}": value for name, value in options.items()},
    )
