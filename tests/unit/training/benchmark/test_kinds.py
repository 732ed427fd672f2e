"""``evenhand compare`` on a user's own table, pairs and images, with the options of ``evenhand fit``."""

import csv
import json
from pathlib import Path

import pytest
import typer
from tiny_kinds import column_table, pair_table, write_images, write_tiny_image_base, write_tiny_pair_base
from typer.testing import CliRunner

from evenhand.cli.compare import compare

app = typer.Typer()
app.command()(compare)
QUICK = ("--seeds", "0", "--methods", "base", "--epochs", "1", "--hold-out", "0.3")


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return result.output


def methods_of(out: Path) -> list[str]:
    """Methods that have a result, in the order of the table."""
    with (out / "figures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert not any(row["failed"] for row in rows)
    return list(dict.fromkeys(row["method"] for row in rows))


def test_a_table_of_ones_own_has_boosted_trees_beside_the_base(tmp_path: Path) -> None:
    column_table(900).to_csv(tmp_path / "data.csv", index=False)
    arguments = ("--data", str(tmp_path / "data.csv"), "--out", str(tmp_path / "out"), "--task", "table")
    arguments += ("--feature", "hours", "--feature", "school", "--label", "income", "--attribute", "sex")
    aim = ("--favourable", ">50K", "--split", "split", "--target", "equal-opportunity", "--max-loss", "1")
    printed = run(*arguments, *aim, *QUICK)
    controls = ["global-threshold", "gradient-boosted", "gradient-boosted-all", "thresholds"]
    assert methods_of(tmp_path / "out") == ["base", *controls, "declared-offsets"]
    assert "Target: equal opportunity of sex, at most 1 points of accuracy lost" in " ".join(printed.split())
    stored = json.loads((tmp_path / "out/results/thresholds-seed0.json").read_text())
    assert stored["notes"]["constraint"] == "true_positive_rate_parity"


def test_pairs_of_ones_own(tmp_path: Path) -> None:
    write_tiny_pair_base(tmp_path / "base")
    pair_table(1500).to_csv(tmp_path / "data.csv", index=False)
    arguments = ("--data", str(tmp_path / "data.csv"), "--out", str(tmp_path / "out"), "--task", "pair")
    arguments += ("--base", str(tmp_path / "base"), "--text", "text", "--text-pair", "other")
    run(
        *arguments,
        "--label",
        "label",
        "--attribute",
        "colour",
        "--favourable",
        "positive",
        "--split",
        "split",
        *QUICK,
    )
    assert methods_of(tmp_path / "out") == ["base", "global-threshold", "thresholds", "declared-offsets"]


def test_images_of_ones_own(tmp_path: Path) -> None:
    write_tiny_image_base(tmp_path / "base", "vit")
    table = write_images(tmp_path / "images", 240)
    table.to_csv(tmp_path / "data.csv", index=False)
    arguments = ("--data", str(tmp_path / "data.csv"), "--out", str(tmp_path / "out"), "--task", "image")
    arguments += ("--base", str(tmp_path / "base"), "--image", "file", "--images", str(tmp_path / "images"))
    run(*arguments, "--label", "label", "--attribute", "ground", "--favourable", table["label"][0], *QUICK)
    # So few validation rows hold no group that could have an offset of its own: those two controls say so.
    results = {file.name for file in (tmp_path / "out/results").glob("*.json")}
    assert results == {"base-seed0.json", "global-threshold-seed0.json"}
    assert "fewer than two groups have enough validation rows" in (tmp_path / "out/figures.csv").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--task", "image", "--base", "base"), "--task image needs --image"),
        (("--task", "sound"), "--task is one of text, pair, image, table"),
        (("--text", "text"), "--task text needs --base"),
    ],
)
def test_what_a_kind_needs_is_said(tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    column_table(60).to_csv(tmp_path / "data.csv", index=False)
    arguments = ("--data", str(tmp_path / "data.csv"), "--out", str(tmp_path / "out"))
    printed = run(*arguments, "--label", "income", "--attribute", "sex", *more, *QUICK, code=2)
    assert message in " ".join(printed.replace("│", " ").split())
