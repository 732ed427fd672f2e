"""``evenhand evaluate``. Light to import: the command loads what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenhand.cli.options import one_line, pair

if TYPE_CHECKING:
    from evenhand.training.data.select_rows import RowSelection


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    data: Annotated[
        str, typer.Option(help="Table: .csv, .tsv, .json, .jsonl or .parquet; or hub:<data set>.")
    ],
    out: Annotated[Path | None, typer.Option(help="HTML report to write.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON report to write.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the text, or the image's file name.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Column with the second text of a pair.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image files; the table's if not given.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column with the label.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Column with a sensitive attribute; repeatable.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Column that says train, val or test; or test: the rows that the fit held back."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Value of the split column to evaluate; test if not given.")
    ] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="attribute=group to compare the others with.")
    ] = None,
    favourable: Annotated[list[str] | None, typer.Option(help="Label that is good for the person.")] = None,
    intersections: Annotated[
        list[str] | None, typer.Option(help="first:second, evaluated like an attribute.")
    ] = None,
) -> None:
    """Evaluate a bundle on a table: which groups get worse answers, what the correction changes, how sure.

    Columns that are not named are those that the bundle was fitted with.
    """
    from evenhand.training.data.select_rows import RowSelection

    selection = RowSelection(
        text=text,
        text_pair=text_pair,
        images=images,
        label=label,
        attributes=tuple(attribute or ()),
        split=split,
        only=tuple(only or ()),
        references=dict(pair(assignment) for assignment in reference or []),
        favourable=tuple(favourable or ()),
        intersections=tuple(pair(names, ":", "intersections") for names in intersections or []),
    )
    _run(bundle, data, selection, (out, json))


def _run(bundle: Path, data: str, selection: RowSelection, files: tuple[Path | None, Path | None]) -> None:
    """Run it, and turn errors that a user can correct into one line."""
    from evenhand.reports.evaluation_page import html, in_short
    from evenhand.reports.result_files import write_result
    from evenhand.training.evaluation.table_evaluation import evaluate_table

    page, plain = files
    with one_line():
        result = evaluate_table(bundle, data, selection)
        write_result(result, html, page, plain)
    typer.echo("\n".join(in_short(result)))
