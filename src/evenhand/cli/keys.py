"""``evenhand key``: make the keys that callers show, and list them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(no_args_is_help=True, help="Keys that callers show: make one, list them, revoke one.")
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
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Its last day (UTC); without it the key does not end."),
    ] = None,
) -> None:
    """Print a new key, once: the file keeps its SHA-256. A service that runs knows it within a second."""
    from evenhand.service.auth.key_file import AccessError, new_key

    try:
        typer.echo(new_key(file, name, scope, rate, None if until is None else until.date()))
    except AccessError as error:
        _fail(error)


@app.command("list")
def list_keys(file: File) -> None:
    """Print name, scopes, rate and last day of every key; lines that cannot be read are named (exit 2)."""
    from evenhand.service.auth.key_file import AccessError, read_keys

    try:
        read = read_keys(file)
    except AccessError as error:
        _fail(error)
    today = datetime.now(UTC).date()
    for key in read.keys:
        rate = "" if key.rate_per_s is None else f"\t{key.rate_per_s:g}/s"
        until = "" if key.until is None else f"\t{'ended' if key.has_ended(today) else 'until'} {key.until}"
        typer.echo(f"{key.name}\t{','.join(sorted(key.scopes))}{rate}{until}")
    for problem in read.problems:
        typer.echo(f"error: {problem}", err=True)
    if read.problems:
        raise typer.Exit(2)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")], file: File) -> None:
    """Take a key out of the file. A service that runs refuses it within a second."""
    from evenhand.service.auth.key_file import AccessError
    from evenhand.service.auth.key_file import revoke as revoke_key

    try:
        revoke_key(file, name)
    except AccessError as error:
        _fail(error)
    typer.echo(f"{name} is revoked")


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(2)
