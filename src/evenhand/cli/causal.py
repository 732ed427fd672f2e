"""``evenhand causal``. Light to import: the command loads what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenhand.cli.options import one_line

if TYPE_CHECKING:
    from evenhand.training.causal.effects import CausalQuery


def causal(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle that reads tables.")],
    data: Annotated[
        str, typer.Option(help="Table: .csv, .tsv, .json, .jsonl or .parquet; or hub:<data set>.")
    ],
    graph: Annotated[
        Path, typer.Option(help="Causal graph: .gml, .dot or .json.", exists=True, dir_okay=False)
    ],
    attribute: Annotated[str, typer.Option(help="Column of the sensitive attribute, a node of the graph.")],
    through: Annotated[
        list[str] | None,
        typer.Option(help="Mediators, comma-separated; repeatable. Each mediator alone if not given."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="HTML report to write.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON report to write.")] = None,
    rows: Annotated[
        int, typer.Option(min=100, help="At most so many rows are used, drawn at random.")
    ] = 2000,
    resamples: Annotated[
        int, typer.Option(min=2, help="How many models are refitted on resampled rows, for intervals.")
    ] = 40,
    split: Annotated[
        str | None,
        typer.Option(help="Column that says train, val or test; or test: the rows that the fit held back."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Value of the split column to use; test if not given.")
    ] = None,
) -> None:
    """How would a model decide if people had been of another group, and along which paths does that go?

    Needs the extra causal. The answer is as good as the graph: what is not drawn has no part in it.
    """
    from evenhand.training.causal.effects import CausalQuery
    from evenhand.training.data.select_rows import RowSelection

    sets = tuple(tuple(name.strip() for name in names.split(",")) for names in through or ())
    columns = RowSelection(split=split, only=tuple(only or ()))
    _run(bundle, (data, graph), CausalQuery(attribute, sets, rows, resamples, columns=columns), (out, json))


def _run(
    bundle: Path, read: tuple[str, Path], query: CausalQuery, files: tuple[Path | None, Path | None]
) -> None:
    """Run it, and turn errors that a user can correct into one line."""
    from evenhand.reports.causal_page import html, in_short
    from evenhand.reports.result_files import write_result
    from evenhand.tables.read import read_table
    from evenhand.training.causal import effects

    data, graph = read
    page, plain = files
    with one_line():
        result = effects.causal(bundle, read_table(data), graph, query)
        write_result(result, html, page, plain)
    typer.echo("\n".join(in_short(result)))
