"""``accelerate launch -m training fit ...``: the training commands, on all GPUs and machines of a launch."""

from __future__ import annotations

import typer

from training.cli import fit
from training.compare.cli import compare
from training.evaluate_cli import evaluate

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Fit, compare and evaluate.")
for command in (fit, compare, evaluate):
    app.command()(command)

if __name__ == "__main__":
    app(prog_name="training")
