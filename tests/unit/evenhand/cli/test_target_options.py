"""What a correction is for: how the command line says it, and what it refuses in one line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from evenhand.cli.fit import fit
from evenhand.cli.target_options import AimOptions, measures_of
from evenhand.training.learning.config import TargetConfig

app = typer.Typer()
app.command()(fit)


def table(folder: Path, rows: int) -> Path:
    rng = np.random.default_rng(0)
    columns = {
        "age": rng.normal(40, 10, rows),
        "label": rng.choice(["no", "yes"], rows),
        "sex": rng.choice(["m", "f"], rows),
        "race": rng.choice(["x", "y", "z"], rows),
    }
    pd.DataFrame(columns).to_csv(folder / "data.csv", index=False)
    return folder / "data.csv"


def run(data: Path, *more: str, code: int = 0) -> str:
    common = ("--task", "table", "--data", str(data), "--out", str(data.parent / "out"), "--label", "label")
    options = (*common, "--attribute", "sex", "--attribute", "race", "--reference", "sex=m", *more)
    result = CliRunner().invoke(app, [*options, "--favourable", "yes"], env={"COLUMNS": "250"})
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return " ".join(result.output.replace("│", " ").split())


def test_a_measure_is_for_all_attributes_or_for_one() -> None:
    assert measures_of([]) == (None, ())
    assert measures_of(["equalized-odds"]) == ("equalized-odds", ())
    assert measures_of(["equalized-odds", "sex=worst-cell"]) == (
        "equalized-odds",
        (("sex", "worst-cell"),),
    )
    # An attribute's name may hold the sign.
    assert measures_of(["a=b=worst-cell"]) == (None, (("a=b", "worst-cell"),))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["odds"], "--target 'odds': a measure is one of worst-cell, equalized-odds, equal-opportunity"),
        (["sex=odds"], "--target 'sex=odds': a measure is one of"),
        (["worst-cell=sex"], "--target 'worst-cell=sex': a measure is one of"),
        ([""], "--target '': a measure is one of"),
        (["worst-cell", "equalized-odds"], "--target 'equalized-odds': give one measure for all"),
        (["sex=worst-cell", "sex=equalized-odds"], "give one measure for sex"),
    ],
)
def test_a_wrong_target_is_refused(values: list[str], message: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        measures_of(values)
    assert message in str(caught.value)


def test_what_is_not_said_stays_as_it_is() -> None:
    recipe = TargetConfig("equal-opportunity", (("sex", "worst-cell"),), 0.01, 0.03)
    assert AimOptions(None, None, None).adapted(recipe) == recipe
    assert AimOptions(["worst-cell"], None, None).adapted(recipe) == TargetConfig(
        "worst-cell", (), 0.01, 0.03
    )
    assert AimOptions(["race=worst-cell"], 2.0, 100.0).adapted(recipe) == TargetConfig(
        None, (("race", "worst-cell"),), 0.02, None
    )
    assert AimOptions(None, 0.0, 0.0).adapted(recipe).max_loss == 0.0
    assert AimOptions(None, 0.0, 0.0).adapted(recipe).max_cell_loss == 0.0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--target", "fair"), "--target 'fair': a measure is one of worst-cell"),
        (("--max-loss", "101"), "'--max-loss': 101 is not a number of points from 0 to 100"),
        (("--max-loss", "nan"), "'--max-loss': nan is not a number of points"),
        (("--max-cell-loss", "-0.5"), "'--max-cell-loss': -0.5 is not a number of points"),
    ],
)
def test_wrong_values_are_refused_before_the_data_is_read(
    tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    assert message in run(tmp_path / "none.csv", *more, code=2)


def test_a_target_of_an_attribute_that_is_not_there_is_named(tmp_path: Path) -> None:
    data = table(tmp_path, 400)
    said = run(data, "--dry-run", "--target", "age=equalized-odds", code=1)
    assert "--target age=equalized-odds: no such attribute; there are sex, race" in said


def test_a_dry_run_says_what_could_be_proven_and_writes_nothing(tmp_path: Path) -> None:
    data = table(tmp_path, 4000)
    aims = ("--target", "sex=equal-opportunity", "--max-loss", "2", "--max-cell-loss", "10")
    said = run(data, "--dry-run", *aims)
    assert "target: equal opportunity of sex, at most 2 points of accuracy lost, 10 in any cell" in said
    for claim in (
        "a gain: true positive rate of sex = m",
        "a gain: true positive rate of sex = f",
        "overall accuracy falls by less than 2 points",
        "less than 10 points lost: yes of race = z",
    ):
        assert claim in said
    assert "race = y" not in said.split("overall accuracy")[0]
    assert said.endswith("Nothing was learnt or written.")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data.csv"]


def test_a_dry_run_says_whether_the_rows_are_enough(tmp_path: Path) -> None:
    few = run(table(tmp_path, 400), "--dry-run")
    assert "cannot be shown well" in few
    lenient = ("--target", "sex=demographic-parity", "--max-loss", "50", "--max-cell-loss", "100")
    assert "Every claim has rows enough." in run(table(tmp_path, 40_000), "--dry-run", *lenient)


def test_an_intersection_can_be_aimed_at(tmp_path: Path) -> None:
    aims = ("--intersections", "sex:race", "--target", "sex:race=worst-cell")
    said = run(table(tmp_path, 4000), "--dry-run", *aims)
    assert "target: worst cell of sex:race" in said


def test_an_intersection_with_names_too_long_for_the_record_is_refused_before_anything_is_learnt(
    tmp_path: Path,
) -> None:
    data = table(tmp_path, 400)
    frame = pd.read_csv(data).replace({of: of * 40 for of in "fxyz"})
    frame.to_csv(data, index=False)
    crossed = ("--intersections", "sex:race")
    for more in ((), ("--dry-run",)):
        said = run(data, *crossed, *more, code=1)
        assert "names sex:race, which the service could not count by" in said
        assert "has 83 characters, and the record keeps names of at most 64" in said
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data.csv"]
    assert "target: worst cell of sex," in run(data, *crossed, "--dry-run", "--target", "sex=worst-cell")
