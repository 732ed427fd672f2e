"""Defaults of a fit."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from evenhand.cli import fit as command
from evenhand.cli.main import app
from evenhand.training.learning.config import BaseConfig, FitConfig


@pytest.mark.parametrize(("more", "epochs"), [((), 6), (("--epochs", "2"), 2)])
def test_a_table_s_base_is_learnt_in_larger_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], epochs: int
) -> None:
    configs: list[FitConfig] = []
    monkeypatch.setattr(command, "_run", lambda config, *_: configs.append(config))
    options = ("--task", "table", "--data", "d.csv", "--label", "l", "--favourable", "a", "--hold-out", "0.2")
    result = CliRunner().invoke(app, ["fit", *options, *more, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    (stage,) = [config.base_stage for config in configs]
    assert stage == BaseConfig(epochs=epochs, learning_rate=1e-3, batch_rows=128, hold_out=0.2)


@pytest.mark.parametrize("task", ["text", "pair", "image"])
def test_a_pretrained_base_keeps_the_usual_steps(task: str) -> None:
    assert BaseConfig.of(task) == BaseConfig()
