"""``evenhand key``: make the keys that callers show, and list them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    no_args_is_help=True, help="Keys that callers show: make one, list them. Delete a line to revoke it."
)
File = Annotated[Path, typer.Option("--file", envvar="EVENHAND_KEYS_FILE", help="The file of keys.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Who gets it; logs use this name.")],
    file: File,
    scope: Annotated[
        list[str],
        typer.Option(help="predict, feedback, decisions, admin, metrics or audit; may be repeated."),
    ],
    rate: Annotated[
        float | None, typer.Option(help="Requests per second and process; the setting if not given.")
    ] = None,
) -> None:
    """Print a new key, once: the file keeps its SHA-256. A service that runs knows it within a second."""
    from evenhand.service.auth.key_file import AccessError, new_key

    try:
        typer.echo(new_key(file, name, scope, rate))
    except AccessError as error:
        _fail(error)


@app.command("list")
def list_keys(file: File) -> None:
    """Print name, scopes and rate of every key."""
    from evenhand.service.auth.key_file import AccessError, read_keys

    try:
        keys = read_keys(file)
    except AccessError as error:
        _fail(error)
    for key in keys:
        rate = "" if key.rate_per_s is None else f"\t{key.rate_per_s:g}/s"
        typer.echo(f"{key.name}\t{','.join(sorted(key.scopes))}{rate}")


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(2)
