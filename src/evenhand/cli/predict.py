"""``evenhand predict``: answer a whole file as the service would. Light to import.

Exit codes: 0 every row has an answer, 1 the output is written and some rows failed, 2 the command cannot run,
or stopped before its end.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenhand.cli.refusal import refuse

if TYPE_CHECKING:
    from evenhand.service.bulk.run import Job, Plan

STATE = Path("evenhand-state")
SHOWN = 20
"""Columns that a line names at most."""


class RowMode(StrEnum):
    """How corrections are switched."""

    off = "off"
    shadow = "shadow"
    apply = "apply"


class Provider(StrEnum):
    """Where the graph runs."""

    cpu = "cpu"
    cuda = "cuda"
    tensorrt = "tensorrt"


def predict(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    rows: Annotated[Path, typer.Argument(help="Rows: .csv, .tsv, .json, .jsonl or .parquet.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .tsv, .jsonl or .parquet; must not exist.")],
    id_: Annotated[str | None, typer.Option("--id", help="Column with the rows' own ids.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="Column to copy, or column=new name; repeatable.")
    ] = None,
    mode: Annotated[
        RowMode | None,
        typer.Option(help="Lowers the bundle's modes (apply > shadow > off), never raises one."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Column with the text, or the image's file name.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Column with the second text of a pair.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image files; that of the rows if not given.")
    ] = None,
    absent: Annotated[
        list[str] | None,
        typer.Option(help="Feature that the file lacks on purpose: missing in every row; repeatable."),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(
            help="Put the decisions on record as if served: URL of its database, or state for SQLite in the "
            "state folder."
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option(envvar="EVENHAND_STATE", help="The service's state folder, with the record's key.")
    ] = STATE,
    attribute: Annotated[
        list[str] | None,
        typer.Option(help="Column with declared groups for the record, or attribute=column; repeatable."),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option(min=1, help="Rows in memory, and between two lines of the journal.")
    ] = 8192,
    threads: Annotated[int, typer.Option(min=0, help="Threads inside one operator; 0 takes every core.")] = 0,
    provider: Annotated[Provider, typer.Option(help="Where the graph runs.")] = Provider.cpu,
    ray: Annotated[
        bool,
        typer.Option(help="Answer in parts on a Ray cluster: ROWS may be a folder, --out becomes one."),
    ] = False,
    actors: Annotated[
        int, typer.Option(min=0, help="With --ray: actors; 0 takes as many as there are cores for.")
    ] = 0,
    restart: Annotated[bool, typer.Option(help="Begin anew where an interrupted run could go on.")] = False,
) -> None:
    """Answer every row of a file: the decisions that the service would give, in a file.

    Memory does not grow with the file. A run that is interrupted goes on with the same command. Columns that
    are not named are those that the bundle was fitted with.
    """
    with _one_line():
        from evenhand.service.bulk.answers import RunOptions
        from evenhand.service.bulk.columns import ColumnOptions
        from evenhand.service.bulk.record import RecordOptions
        from evenhand.service.bulk.run import Job

        if attribute and record is None:
            refuse("--attribute declares groups for the record: it needs --record", 2)
        columns = ColumnOptions(
            text, text_pair, images, id_, tuple(keep or ()), tuple(attribute or ()), tuple(absent or ())
        )
        job = Job(
            bundle,
            rows,
            out,
            columns,
            mode.value if mode else None,
            batch_rows,
            RunOptions(threads, provider.value),
            None if record is None else RecordOptions(record, state),
            restart,
        )
        if actors and not ray:
            refuse("--actors is for --ray", 2)
        if ray and importlib.util.find_spec("ray") is None:
            refuse("--ray needs Ray, which is not installed here: pip install 'evenhand[ray]'", 2)
        _run(job, actors if ray else None)


def _run(job: Job, actors: int | None) -> None:
    """Answer the file: here, or with so many actors on Ray."""
    from evenhand.console import bar
    from evenhand.service.bulk.run import Prediction

    with bar("rows" if actors is None else "parts") as show:
        if actors is None:
            summary = Prediction(job).run(lambda plan: _show(plan, job), show)
        else:
            from evenhand.service.bulk import ray

            summary = ray.run(job, actors, lambda plan: _show(plan, job), show)
    typer.echo(summary.in_words())
    if summary.failed:
        raise typer.Exit(1)


def _show(plan: Plan, job: Job) -> None:
    """What is read and how, before the first row."""
    from evenhand.console import say

    manifest, columns = plan.manifest, plan.columns
    modes = ", ".join(
        f"{name} {mode}" for name, mode in zip(manifest.attribute_names, plan.modes, strict=True)
    )
    say(f"{manifest.name} {manifest.version}; modes: {modes}")
    for attribute, mode in zip(manifest.attributes, plan.modes, strict=True):
        if job.mode == "apply" != mode:
            say(f"--mode apply does not raise {attribute.name}: the bundle says {mode} ({attribute.why})")
    if columns.inputs.task != "table":
        say(f"inputs: {', '.join(columns.features)}")
    if plan.absent:
        say(f"absent, so missing in every row: {_few(plan.absent)}")
    if columns.unread:
        say(f"columns that are not read: {_few(columns.unread)}")
    if plan.done:
        say(f"going on after {plan.done:,} rows")


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turn an error that keeps a command from running into one or two lines."""
    from evenhand.models.bundle.bundle import BundleError
    from evenhand.service.audit.digest_keys import KeyFileError
    from evenhand.service.audit.maintenance.migrate import RecordRefused
    from evenhand.service.errors import RecordUnavailable
    from evenhand.tables.table import DataError

    try:
        yield
    except (BundleError, DataError, KeyFileError, RecordRefused) as error:
        refuse(str(error), 2)
    except RecordUnavailable as error:
        refuse(f"{error}\nnothing is lost: the same command goes on where this one stopped", 2)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        refuse(f"{error.filename or 'a file'}: {reason}\nonce that is mended, the same command goes on", 2)
    except KeyboardInterrupt:
        refuse("stopped; the same command goes on where this one stopped", 130)
