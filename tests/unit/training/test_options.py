"""Numbers that nothing can be done with are refused before any work, with what is allowed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evenhand.cli.causal import causal
from evenhand.cli.export import export
from evenhand.cli.generative import prefer, steer


@pytest.mark.parametrize(
    ("command", "option", "value", "message"),
    [
        (export, "--tolerance", "nan", "nan is not a share from 0 to 1"),
        (export, "--tolerance", "1.1", "1.1 is not a share from 0 to 1"),
        (prefer, "--hold-out", "0", "0 is not a share above 0 and below 1"),
        (prefer, "--hold-out", "1", "1 is not a share above 0 and below 1"),
        (prefer, "--beta", "nan", "nan is not a finite number above 0"),
        (prefer, "--learning-rate", "inf", "inf is not a finite number above 0"),
        (prefer, "--learning-rate", "0", "0 is not a finite number above 0"),
        (prefer, "--seed", "-1", "'--seed'"),
        (steer, "--hold-out", "nan", "nan is not a share above 0 and below 1"),
        (steer, "--strength", "nan", "nan is not a finite number"),
        (steer, "--threshold", "nan", "nan is not a share from 0 to 1"),
        (causal, "--rows", "99", "'--rows'"),
        (causal, "--resamples", "1", "'--resamples'"),
    ],
)
def test_a_number_out_of_bounds_is_refused(
    tmp_path: Path, command: Callable[..., None], option: str, value: str, message: str
) -> None:
    app = typer.Typer()
    app.command()(command)
    (tmp_path / "t.csv").write_text("prompt\n")
    file = str(tmp_path / "t.csv")
    places = {
        export: [file, "--precision", "int8", "--out", str(tmp_path / "new")],
        prefer: ["--base", "nobody/model", "--out", str(tmp_path / "new")],
        steer: ["--base", "nobody/model", "--out", str(tmp_path / "new"), "--neutral", file],
        causal: [file, "--graph", file, "--attribute", "team"],
    }
    done = CliRunner().invoke(app, [*places[command], "--data", file, option, value], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert message in done.output
