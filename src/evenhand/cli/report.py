"""``evenhand report``. Light to import: what it needs comes with the command, not with ``evenhand --help``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape


def report(
    start: Annotated[str, typer.Option("--from", help="First day, such as 2026-11-01; or a whole hour, in UTC.")],
    end: Annotated[str, typer.Option("--to", help="Last day, included; or the hour before which it ends.")],
    out: Annotated[Path, typer.Option(help="HTML report to write.")],
    model: Annotated[str | None, typer.Option(help="Model; needed where the record holds several.")] = None,
    record: Annotated[str | None, typer.Option(help="The record's database; setting record if not given.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of the record's key; setting state if not given.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON report to write.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="Your own features to slice by: .csv or .parquet with a column id.")
    ] = None,
    sex_attribute: Annotated[str | None, typer.Option(help="Attribute that is sex, for Local Law 144.")] = None,
    race_attribute: Annotated[str | None, typer.Option(help="Attribute that is race or ethnicity.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Folder of the model's bundle: says what was usual.")] = None,
    card: Annotated[Path | None, typer.Option(help="Model card to write: the bundle's, and this use of it.")] = None,
) -> None:
    """Report on a period from the record: verdicts, figures, worst slices, Local Law 144, what happened.

    What is tolerated, and how many rows a verdict needs, are the service's settings gap_limit and min_rows.
    """
    from evenhand.console import say
    from evenhand.models.bundle.bundle import BundleError
    from evenhand.reports.period import ReportError
    from evenhand.service.settings import SettingsError

    law = (sex_attribute, race_attribute)
    try:
        _run((start, end), (record, state), (model, features, law), (bundle, out, json, card))
    except (ReportError, SettingsError, BundleError) as error:
        say(f"[red]error:[/red] {escape(str(error))}")
        raise typer.Exit(1) from error


def _run(
    dates: tuple[str, str],
    where: tuple[str | None, Path | None],
    what: tuple[str | None, Path | None, tuple[str | None, str | None]],
    files: tuple[Path | None, Path, Path | None, Path | None],
) -> None:
    """Load the heavy parts, and the service's own settings: where the record is, and what is tolerated.

    Args:
        dates: The first and the last.
        where: Database and state folder.
        what: Model, own features, attributes of Local Law 144.
        files: Bundle to read; page, JSON and card to write.
    """
    from evenhand.models.bundle import bundle as bundles
    from evenhand.reports.contents import Asked
    from evenhand.reports.making import Files, make
    from evenhand.reports.period import ReportError, period
    from evenhand.reports.selected import Named
    from evenhand.reports.words import in_short
    from evenhand.service import settings
    from evenhand.service.monitoring.sequential.evidence import Rules

    chosen = settings.load(record=where[0], state=where[1])
    model, features, law = what
    folder, out, plain, card = files
    if card is not None and folder is None:
        raise ReportError("--card needs --bundle, the folder of the bundle whose card it is")
    rules = Rules(chosen.gap_limit, chosen.days_per_false_alarm, rows=chosen.min_rows)
    bundle = bundles.load(folder) if folder else None
    asked = Asked(model, period(*dates), Named(*law), features, rules, bundle)
    typer.echo("\n".join(in_short(make((chosen.record, chosen.state), asked, Files(out, plain, card)))))
