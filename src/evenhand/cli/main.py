"""``evenhand``: every command, and which extra of Evenhand it needs.

Each command's file is light to import; it imports what it needs when it runs. So ``evenhand --help`` loads
neither torch nor pandas nor scipy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from evenhand.cli import audit, bundle, keys
from evenhand.cli.causal import causal
from evenhand.cli.compare import compare
from evenhand.cli.demo import demo
from evenhand.cli.doctor import doctor
from evenhand.cli.evaluate import evaluate
from evenhand.cli.export import export
from evenhand.cli.fit import fit
from evenhand.cli.flip import flip
from evenhand.cli.generative import prefer, steer
from evenhand.cli.observe import observe
from evenhand.cli.predict import predict
from evenhand.cli.proxy import proxy
from evenhand.cli.refusal import needs
from evenhand.cli.report import report
from evenhand.cli.serve import serve
from evenhand.cli.track import track
from evenhand.version import __version__

EXTRAS: dict[Callable[..., None], tuple[str, ...]] = {
    fit: ("train",),
    evaluate: ("train",),
    compare: ("train",),
    export: ("train",),
    flip: ("train",),
    causal: ("train", "causal"),
    prefer: ("train", "generative"),
    steer: ("train", "generative"),
    report: ("report",),
    track: ("mlflow",),
}
"""The extras that a command needs beyond what serving needs."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Serve classifiers that correct themselves."
)
app.command()(needs()(serve))
app.command()(needs()(proxy))
app.command()(needs()(observe))
app.command()(needs("parquet")(predict))
app.command()(demo)
app.command()(doctor)
app.add_typer(bundle.app, name="bundle")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="key")
for _command, _extras in EXTRAS.items():
    app.command()(needs(*_extras)(_command))


def _show_version(version: bool) -> None:
    if version:
        typer.echo(f"evenhand {__version__}")
        raise typer.Exit


@app.callback()
def evenhand(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version, and end."),
    ] = False,
) -> None:
    """Serve classifiers that correct themselves."""


def main() -> None:
    """The console script."""
    app(prog_name="evenhand")
