"""``evenhand report``. Light to import: what it needs comes with the command, not with ``evenhand --help``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reports.contents import Asked
    from reports.making import Files

STATE = Path("evenhand-state")


def report(
    start: Annotated[str, typer.Option("--from", help="First day, such as 2026-11-01; or a whole hour, in UTC.")],
    end: Annotated[str, typer.Option("--to", help="Last day, included; or the hour before which it ends.")],
    out: Annotated[Path, typer.Option(help="HTML report to write.")],
    model: Annotated[str | None, typer.Option(help="Model; needed where the record holds several.")] = None,
    record: Annotated[str, typer.Option(help="URL of the record's database; SQLite in --state if not given.")] = "",
    state: Annotated[Path, typer.Option(help="The service's state folder, with the record's key.")] = STATE,
    json: Annotated[Path | None, typer.Option(help="JSON report to write.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="Your own features to slice by: .csv or .parquet with a column id.")
    ] = None,
    sex_attribute: Annotated[str | None, typer.Option(help="Attribute that is sex, for Local Law 144.")] = None,
    race_attribute: Annotated[str | None, typer.Option(help="Attribute that is race or ethnicity.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="gap=, rows=, impact_ratio= or accuracy_drop=, as the service has it; repeatable."),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle whose card --card refreshes.")] = None,
    card: Annotated[
        Path | None, typer.Option(help="Model card to write: the bundle's, with this period's use.")
    ] = None,
) -> None:
    """Report on a period from the record: figures and verdicts, worst slices, Local Law 144, what happened."""
    from reports.contents import Asked
    from reports.contents import Asked
    from reports.making import Files
    from reports.period import ReportError, period
    from reports.selected import Named
    from training.progress import say

    limits = _limits(limit or [])
    try:
        asked = Asked(model, period(start, end), Named(sex_attribute, race_attribute), features, limits)
        _run((record, state), asked, Files(out, json, bundle, card))
    except ReportError as error:
        say(f"[red]error:[/red] {error}")
        raise typer.Exit(1) from error


def _run(where: tuple[str, Path], asked: Asked, files: Files) -> None:
    from reports.making import make
    from reports.words import in_short

    typer.echo("\n".join(in_short(make(where, asked, files))))


def _limits(given: list[str]) -> dict[str, float]:
    from service.monitoring.summary import LIMITS

    found = {}
    for each in given:
        name, _, value = each.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise typer.BadParameter(f"--limit {each!r} is not name=number") from None
        if name not in LIMITS:
            raise typer.BadParameter(f"--limit {each!r}: the limits are {', '.join(LIMITS)}")
    return found
