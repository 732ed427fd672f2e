"""``evenhand report``. Light to import: what it needs is loaded when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    start: Annotated[
        str, typer.Option("--from", help="First day, such as 2026-11-01; or a whole hour, in UTC.")
    ],
    end: Annotated[str, typer.Option("--to", help="Last day, included; or the hour before which it ends.")],
    out: Annotated[Path, typer.Option(help="HTML report to write.")],
    model: Annotated[str | None, typer.Option(help="Model; needed where the record holds several.")] = None,
    record: Annotated[
        str | None, typer.Option(help="The record's database; setting record if not given.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Folder of the record's key; setting state if not given.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="JSON report to write.")] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Your own features to slice by: a table (.csv, .jsonl, .parquet, ...) with a column id."
        ),
    ] = None,
    sex_attribute: Annotated[
        str | None, typer.Option(help="Attribute that is sex, for Local Law 144.")
    ] = None,
    race_attribute: Annotated[str | None, typer.Option(help="Attribute that is race or ethnicity.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the model's bundle, to compare with validation.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Model card to write: the bundle's, and this use of it.")
    ] = None,
) -> None:
    """Report on a period from the record: verdicts, figures, worst slices, Local Law 144, what happened.

    What is tolerated, and how many rows a verdict needs, are the service's settings gap_limit and min_rows.
    """
    from evenhand.console import say_error
    from evenhand.models.bundle import bundle as bundles
    from evenhand.models.bundle.bundle import BundleError
    from evenhand.reports.period.bias_audit import LawAttributes
    from evenhand.reports.period.build import ReportFiles, build
    from evenhand.reports.period.sections import ReportScope
    from evenhand.reports.period.sentences import in_short
    from evenhand.reports.period.source import ReportError, ReportPeriod
    from evenhand.service import settings
    from evenhand.service.monitoring.sequential.evidence import EvidenceSettings
    from evenhand.service.settings import SettingsError

    try:
        chosen = settings.load(record=record, state=state)
        if card is not None and bundle is None:
            raise ReportError("--card needs --bundle, the folder of the bundle whose card it is")
        scope = ReportScope(
            model,
            ReportPeriod.between(start, end),
            LawAttributes(sex_attribute, race_attribute),
            features,
            EvidenceSettings(chosen.gap_limit, chosen.days_per_false_alarm, rows=chosen.min_rows),
            bundles.load(bundle) if bundle else None,
        )
        result = build(chosen.record, chosen.state, scope, ReportFiles(out, json, card))
    except (ReportError, SettingsError, BundleError) as error:
        say_error(error)
        raise typer.Exit(1) from error
    typer.echo("\n".join(in_short(result)))
