"""Effects on synthetic rows with known causes, against the same equations computed with other groups."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from linear_bundle import write_linear_bundle
from numpy.typing import NDArray
from pages import check_escaped, hostile
from tiny_model import write_tiny_bundle
from typer.testing import CliRunner

pytest.importorskip("dowhy", reason="the extra `causal` is not installed")

from evenhand.cli.causal import causal
from evenhand.reports.causal_page import html

ON_SEX, ON_JOB = -1.0, 0.5
EDGES = [["sex", "hours"], ["sex", "job"], ["experience", "hours"], ["sex", "shoes"]]
WAYS = {
    "total": (1, 1, 1),
    "direct": (1, 0, 0),
    "indirect": (0, 1, 1),
    "through hours": (0, 1, 0),
    "through job": (0, 0, 1),
}
"""By effect: whether the decision, the hours, the job see the other group."""


def equations(
    n: int, seed: int, hours_see: int | None = None, job_sees: int | None = None
) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(seed)
    sex, experience = random.random(n) < 0.4, random.normal(size=n)
    for_hours = sex if hours_see is None else np.full(n, hours_see)
    for_job = sex if job_sees is None else np.full(n, job_sees)
    hours = 1 - for_hours + 0.7 * experience + 0.5 * random.normal(size=n)
    job = random.random(n) < 1 / (1 + np.exp(-(0.5 - 1.5 * for_job)))
    return {"sex": sex, "experience": experience, "hours": hours, "job": job}


def truth(kind: str, sees: tuple[int, int, int]) -> tuple[float, float]:
    """Mean favourable decision, and mean probability."""
    decision_sees, *others = sees
    made = equations(400_000, 9, *others)
    logit = made["hours"] + ON_JOB * made["job"] + (ON_SEX * decision_sees if kind == "base" else 0.0)
    return float((logit > 0).mean()), float((1 / (1 + np.exp(-logit))).mean())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads sex, whose correction does not; rows, and their graph."""
    folder = tmp_path_factory.mktemp("causal")
    write_linear_bundle(folder / "linear", ON_SEX, 1.0, ON_JOB, corrected_on_sex=0.0)
    made = pd.DataFrame(equations(700, 1))
    made["sex"] = np.where(made["sex"], "F", "M")
    made["job"] = np.where(made["job"], "smith", "clerk")
    made["shoes"] = np.where(made["sex"] == "F", "small", "large")
    made.loc[:4, "sex"] = "X"
    made.loc[5:6, "hours"] = None
    made.to_csv(folder / "t.csv", index=False)
    (folder / "g.json").write_text(json.dumps({"edges": EDGES}))
    return folder


def run(folder: Path, *arguments: object) -> Any:
    app = typer.Typer()
    app.command()(causal)
    base = [folder / "linear", "--data", folder / "t.csv", "--graph", folder / "g.json", "--attribute", "sex"]
    return CliRunner().invoke(app, [str(argument) for argument in [*base, *arguments]])


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    done = run(folder, "--resamples", 5, "--out", folder / "r.html", "--json", folder / "r.json")
    assert done.exit_code == 0, done.output
    assert "X: insufficient data (5 rows)" in done.stdout
    report: dict[str, Any] = json.loads((folder / "r.json").read_text())
    return report


@pytest.mark.parametrize("kind", ["base", "final"])
@pytest.mark.parametrize("way", WAYS)
def test_effects_are_those_of_the_equations(result: dict[str, Any], way: str, kind: str) -> None:
    right = np.array(truth(kind, WAYS[way])) - np.array(truth(kind, (0, 0, 0)))
    effect = result["effects"]["F"][way][kind]
    assert effect["decision"]["value"] == pytest.approx(right[0], abs=0.05)
    assert effect["score"]["value"] == pytest.approx(right[1], abs=0.03)


def test_a_correction_that_does_not_read_the_attribute_has_no_direct_effect_at_all(
    result: dict[str, Any],
) -> None:
    direct = result["effects"]["F"]["direct"]["final"]
    assert {direct[measure][limit] for measure in direct for limit in ("value", "low", "high")} == {0.0}
    assert result["effects"]["F"]["direct"]["base"]["decision"]["high"] < 0


def test_what_should_come_to_nothing_does_and_what_should_stay_stays(result: dict[str, Any]) -> None:
    refutation, indirect = result["refutation"], result["effects"]["F"]["indirect"]["final"]["score"]["value"]
    assert refutation["placebo"]["F"]["value"] == pytest.approx(0.0, abs=0.03)
    assert refutation["halves"]["F"]["value"] == pytest.approx(indirect, abs=0.03)
    for share in refutation["reproduced"].values():
        assert share["simulated"] == pytest.approx(share["observed"], abs=0.1)
    assert refutation["independence"]["tests"] > 0


def test_rows_and_columns_that_have_no_part_are_named(result: dict[str, Any], folder: Path) -> None:
    assert result["data"]["rows"] == {"in_file": 700, "used": 698, "incomplete": 2, "left_out": {}}
    assert ["sex", "shoes"] not in result["graph"]["edges"]  # the model does not read them
    page = (folder / "r.html").read_text()
    assert "Causes that nobody measured" in page
    assert "src=" not in page


def test_names_that_hold_markup_are_text_on_the_page(result: dict[str, Any]) -> None:
    names = ["sex", "hours", "job", "M", "F"]
    check_escaped(html(hostile(result, names)), names)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--attribute", "experience2"], "does not name experience2"),
        (["--through", "shoes"], "on no path from sex"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(folder: Path, arguments: list[str], reason: str) -> None:
    done = run(folder, "--resamples", 2, *arguments)
    assert done.exit_code == 1
    assert reason in done.output


def test_a_model_of_texts_is_sent_to_the_flip_test(folder: Path, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    app = typer.Typer()
    app.command()(causal)
    files = ["--data", folder / "t.csv", "--graph", folder / "g.json", "--attribute", "sex"]
    done = CliRunner().invoke(app, [str(each) for each in [tmp_path / "tiny", *files]])
    assert done.exit_code == 1
    assert "evenhand flip" in done.output


def test_an_effect_that_cannot_be_told_is_named_with_its_witness(folder: Path, tmp_path: Path) -> None:
    graph = tmp_path / "g.json"
    graph.write_text(json.dumps({"edges": [*EDGES, ["job", "hours"]]}))
    done = run(folder, "--resamples", 2, "--rows", 200, "--graph", graph, "--through", "hours")
    assert "through hours: cannot be told; job is on such a path and on another" in done.stdout, done.output
