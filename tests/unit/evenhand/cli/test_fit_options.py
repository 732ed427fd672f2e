"""An option that would do nothing is refused before the data is read; one line says why."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evenhand.cli.compare import compare
from evenhand.cli.fit import fit

TASKS = {
    "text": ("--task", "text", "--base", "base", "--text", "words"),
    "pair": ("--task", "pair", "--base", "base", "--text", "words", "--text-pair", "more"),
    "image": ("--task", "image", "--base", "base", "--image", "file"),
    "table": ("--task", "table"),
}


def fitted(tmp_path: Path, task: str, *more: str) -> tuple[int, str]:
    return run(fit, tmp_path, task, *more)


def run(command: Callable[..., None], tmp_path: Path, task: str, *more: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(command)
    common = ("--data", str(tmp_path / "none.csv"), "--label", "label", "--attribute", "team")
    options = (*common, "--favourable", "good", "--out", str(tmp_path / "out"))
    result = CliRunner().invoke(app, [*TASKS[task], *options, *more], env={"COLUMNS": "250"})
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("task", "more", "message"),
    [
        ("table", ("--base", "b"), "--base does nothing with --task table: tables make their own base"),
        ("table", ("--keep-base",), "--keep-base does nothing with --task table"),
        ("table", ("--text", "t"), "--text does nothing with --task table: name the columns with --feature"),
        ("table", ("--text-pair", "t"), "--text-pair does nothing with --task table"),
        ("table", ("--image", "i"), "--image does nothing with --task table: images are --task image"),
        ("table", ("--images", "."), "--images does nothing with --task table"),
        (
            "table",
            ("--max-tokens", "64"),
            "--max-tokens does nothing with --task table: only texts have tokens",
        ),
        ("text", ("--text-pair", "t"), "--text-pair does nothing with --task text: two texts in a row are"),
        ("text", ("--feature", "f"), "--feature does nothing with --task text: features are those of --task"),
        ("text", ("--images", "."), "--images does nothing with --task text"),
        ("pair", ("--feature", "f"), "--feature does nothing with --task pair"),
        ("image", ("--text", "t"), "--text does nothing with --task image"),
        ("image", ("--max-tokens", "128"), "--max-tokens does nothing with --task image"),
        ("text", ("--keep-base", "--epochs", "2"), "--epochs does nothing with --keep-base: the base is not"),
        ("text", ("--known", "0.5"), "--known does nothing without --attributes-known partial"),
        (
            *("text", ("--attributes-known", "none", "--known", "0.5")),
            "--known does nothing without --attributes-known partial",
        ),
        ("text", ("--attributes-known", "partial"), "--attributes-known partial needs --known"),
        (
            "text",
            ("--reference", "sex=m"),
            "--reference sex=m does nothing: sex is not named with --attribute",
        ),
    ],
)
def test_an_option_without_effect_is_refused(
    tmp_path: Path, task: str, more: tuple[str, ...], message: str
) -> None:
    code, said = fitted(tmp_path, task, *more)
    assert (code, message in said) == (2, True), said


@pytest.mark.parametrize(
    ("task", "more"),
    [
        *((task, ()) for task in TASKS),
        ("table", ("--feature", "f", "--epochs", "2")),
        ("pair", ("--max-tokens", "64")),
        ("image", ("--images", ".", "--keep-base")),
        ("text", ("--attributes-known", "partial", "--known", "0.5", "--reference", "team=a")),
    ],
)
def test_options_with_an_effect_are_read_on(tmp_path: Path, task: str, more: tuple[str, ...]) -> None:
    code, said = fitted(tmp_path, task, *more)
    assert code == 1
    assert "none.csv: not readable" in said


@pytest.mark.parametrize(
    ("task", "more", "message"),
    [
        ("table", ("--max-tokens", "64"), "--max-tokens does nothing with --task table"),
        ("text", ("--keep-base", "--epochs", "2"), "--epochs does nothing with --keep-base"),
        ("text", ("--reference", "sex=m"), "--reference sex=m does nothing: sex is not named"),
    ],
)
def test_a_comparison_refuses_the_same(
    tmp_path: Path, task: str, more: tuple[str, ...], message: str
) -> None:
    code, said = run(compare, tmp_path, task, *more)
    assert (code, message in said) == (2, True), said
