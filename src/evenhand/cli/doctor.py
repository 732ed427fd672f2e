"""``evenhand doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    bundles: Annotated[
        list[Path] | None, typer.Argument(help="Folders of bundles; EVENHAND_BUNDLES if not given.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check settings, bundles, record, clock, packages and port.

    Exit 0: all is well; 1: warnings; 2: problems.
    """
    from evenhand.service.doctor.checks import examine
    from evenhand.service.doctor.findings import EXIT, text, worst

    findings, settings = examine({"bundles": tuple(bundles) if bundles else None, "host": host, "port": port})
    typer.echo(text(findings, settings, as_json=json))
    raise typer.Exit(EXIT[worst(findings)])
