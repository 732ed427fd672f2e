"""``evenhand flip``. Light to import: the command loads what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenhand.cli.options import one_line

if TYPE_CHECKING:
    from evenhand.training.data.select_rows import RowSelection


def flip(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle that reads texts, pairs or tables.")],
    data: Annotated[
        str, typer.Option(help="Table: .csv, .tsv, .json, .jsonl or .parquet; or hub:<data set>.")
    ],
    out: Annotated[Path | None, typer.Option(help="HTML report to write.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON report to write.")] = None,
    terms: Annotated[
        Path | None,
        typer.Option(help="Terms of your own: {attribute: {group: [term, ...]}} in JSON.", dir_okay=False),
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Attribute to swap; repeatable, all if none.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Column with the text.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Column with the second text of a pair.")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Column that says train, val or test; or test: the rows that the fit held back."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Value of the split column to use; test if not given.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Write a copy of the bundle with the terms in it, for EVENHAND_FLIP_SHARE."),
    ] = None,
) -> None:
    """Evaluate counterfactuals: every row again, with another group in it. How often does the answer flip?

    In texts the terms of two groups change places; in tables the attribute's own column is replaced.
    """
    from evenhand.training.data.select_rows import RowSelection

    selection = RowSelection(
        text, text_pair, attributes=tuple(attribute or ()), split=split, only=tuple(only or ())
    )
    _run(bundle, data, selection, (out, json, into), terms)


def _run(
    bundle: Path,
    data: str,
    selection: RowSelection,
    files: tuple[Path | None, Path | None, Path | None],
    terms: Path | None,
) -> None:
    """Run it, and turn errors that a user can correct into one line."""
    from evenhand.console import say
    from evenhand.reports.counterfactual_page import html, in_short
    from evenhand.reports.result_files import write_result
    from evenhand.tables.read import read_table
    from evenhand.training.counterfactual import flip_rate
    from evenhand.training.counterfactual.term_lists import PACKAGED, with_terms

    page, plain, into = files
    listed = terms or PACKAGED
    with one_line():
        result = flip_rate.flip(bundle, read_table(data), selection, listed)
        write_result(result, html, page, plain)
        if into:
            with_terms(bundle, listed, into)
            say(f"wrote {into}")
    typer.echo("\n".join(in_short(result)))
