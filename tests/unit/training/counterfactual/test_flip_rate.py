"""``evenhand flip`` end to end on bundles whose right figures are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from fastapi.testclient import TestClient
from linear_bundle import write_linear_bundle
from pages import check_escaped, hostile
from tiny_model import tiny_table, write_tiny_bundle
from typer.testing import CliRunner

from evenhand.cli.flip import flip
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.terms import Swap, TermSwapper
from evenhand.reports.counterfactual_page import html
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.stats import Rate
from evenhand.training.counterfactual.flip_figures import SwapPair, figures
from evenhand.training.evaluation.bundle_score import Answers

TERMS = {
    "team": {"alpha": ["alpha"], "beta": ["beta"]},
    "thing": {"dish": ["awful"], "food": ["meal"]},
    "unread": {"one": ["a"], "two": ["zanzibar"]},
    "silent": {"one": ["nobody"], "two": ["nowhere"]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flip")
    write_tiny_bundle(folder / "tiny")
    table = tiny_table(200)
    table.loc[0, "text"] = " "
    table.to_csv(folder / "t.csv", index=False)
    (folder / "terms.json").write_text(json.dumps(TERMS))
    return folder


def run(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(flip)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    files = ["--out", folder / "r.html", "--json", folder / "r.json", "--into", folder / "with"]
    only = ["--split", "split", "--only", "test", "--only", "train"]
    done = run(folder / "tiny", "--data", folder / "t.csv", "--terms", folder / "terms.json", *files, *only)
    assert done.exit_code == 0, done.output
    assert "insufficient data" not in done.stdout
    report: dict[str, Any] = json.loads((folder / "r.json").read_text())
    return report


def test_flips_are_those_of_the_services_own_answers(folder: Path, result: dict[str, Any]) -> None:
    table = tiny_table(200)
    texts = [text for text, split in zip(table["text"], table["split"], strict=True) if split != "val"][1:]
    swapper = TermSwapper({"thing": TERMS["thing"]})
    pairs = [(text, swapper.swapped(text, "thing", "dish", "food")) for text in texts]
    named = [pair for pair in pairs if "dish" in swapper.named(pair[0], "thing")]
    with TestClient(create_app(Settings(bundles=(folder / "tiny",)))) as client:
        inputs = [text for pair in named for text in pair]
        answers = client.post("/predict", json={"inputs": inputs}).json()["predictions"]
    final, base = [a["label"] for a in answers], [a["base"]["label"] for a in answers]
    directions = result["attributes"]["thing"]["directions"]
    one = next(each for each in directions if (each["source"], each["target"]) == ("dish", "food"))
    for kind, labels in (("base", base), ("final", final)):
        flips = sum(a != b for a, b in zip(labels[::2], labels[1::2], strict=True))
        assert one[kind]["flipped"]["n"] == len(named)
        assert one[kind]["flipped"]["value"] == pytest.approx(flips / len(named))
        assert one[kind]["to_favourable"] + one[kind]["to_unfavourable"] == flips
    assert flips > 0  # of the served ones


def test_every_row_is_counted_and_what_is_not_swapped_says_why(result: dict[str, Any]) -> None:
    rows = result["data"]["rows"]
    assert rows["in_file"] == 200
    assert rows["tried"] == 160
    assert rows["refused"] == 1
    assert rows["left_out"] == {"val": 40}
    assert result["not_swapped"] == {
        "colour": "the list has no terms of it",
        "silent": "no row names a group of it",
    }


def test_words_that_the_model_does_not_know_are_said_to_be_unseen(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\nlondon film\nparis meal\n")
    (tmp_path / "terms.json").write_text('{"city": {"one": ["london"], "two": ["paris"]}}')
    files = ["--terms", tmp_path / "terms.json", "--json", tmp_path / "r.json"]
    done = run(folder / "tiny", "--data", tmp_path / "t.csv", *files)
    assert "insufficient data" in done.stdout
    city = json.loads((tmp_path / "r.json").read_text())["attributes"]["city"]
    assert city["unseen"] == city["swaps"] == 2
    assert city["any"]["final"]["value"] == 0.0


def test_no_text_and_no_term_is_in_the_json_and_the_page_fetches_nothing(
    folder: Path, result: dict[str, Any]
) -> None:
    assert "zanzibar" not in json.dumps(result)
    assert "film" not in json.dumps(result)
    page = (folder / "r.html").read_text()
    assert "zanzibar" not in page
    assert "not a causal counterfactual" in page
    assert "src=" not in page


def test_names_that_hold_markup_are_text_on_the_page(result: dict[str, Any]) -> None:
    names = ["tiny", "thing", "dish", "food", "colour", "positive", "negative"]
    check_escaped(html(hostile(result, names)), names)


def test_the_copy_brings_its_terms_under_a_hash_and_a_version_of_its_own(
    folder: Path, result: dict[str, Any]
) -> None:
    copy = bundles.load(folder / "with")
    assert json.loads(copy.swaps) == TERMS
    assert copy.manifest.version == "1+swaps"
    assert bundles.load(folder / "tiny").swaps == b""
    again = run(folder / "tiny", "--data", folder / "t.csv", "--into", folder / "with")
    assert again.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--attribute", "height"], "nothing to swap by that name"),
        (["--text", "words"], "no column words"),
        (["--split", "split", "--only", "later"], "no row of later"),
        (["--terms", "t.csv"], "not a list of terms"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(folder: Path, arguments: list[str], reason: str) -> None:
    arguments = [str(folder / each) if each == "t.csv" else each for each in arguments]
    done = run(folder / "tiny", "--data", folder / "t.csv", *arguments)
    assert done.exit_code == 1
    assert reason in done.output


def test_figures_on_answers_that_are_known() -> None:
    """Four swaps of three rows; the base flips in both swaps of one row, and the correction undoes one."""
    base = np.array([1, 0, 0, 0, 0, 1, 1])
    final = np.array([1, 1, 0, 0, 0, 1, 1])
    scores = np.stack([1 - base * 0.8, base * 0.8], axis=1).astype(np.float32)
    none = np.zeros(7, bool)
    answers = Answers(np.arange(7), base, final, np.zeros((7, 1)), none[:, None], scores, scores, none, none)
    swaps = [Swap("team", "a", target, None) for target in "bcbb"]
    places = [(0, 1), (0, 2), (3, 4), (5, 6)]
    pairs = [
        SwapPair(row, swap, *place, False)
        for row, swap, place in zip([1, 1, 2, 3], swaps, places, strict=True)
    ]
    manifest = Manifest.model_construct(labels=["no", "yes"], favourable=["yes"])
    team = figures(answers, pairs, manifest)["team"]
    assert team["any"]["base"] == Rate.of_counts(1, 3).__dict__
    to_b, to_c = team["directions"]
    assert to_b["base"]["flipped"] == Rate.of_counts(1, 3).__dict__
    assert to_b["base"]["to_unfavourable"] == 1
    assert to_b["final"]["flipped"]["value"] == 0.0
    assert to_b["base"]["change"]["value"] == pytest.approx(-0.8 / 3)
    assert to_c["final"]["to_unfavourable"] == 1
    assert team["worst"][0]["row_number"] == 1


def test_a_tables_column_is_replaced_and_a_correction_that_does_not_read_it_never_flips(
    tmp_path: Path,
) -> None:
    """The base says yes where hours exceed 1 for women and 0 for men: hours between them flip, both ways."""
    write_linear_bundle(tmp_path / "linear", on_sex=-1.0, on_hours=1.0, on_job=0.0, corrected_on_sex=0.0)
    rows = [(sex, hours) for sex in ("F", "M") for hours in (-0.5, 0.2, 0.4, 0.6, 1.5)]
    table = "\n".join(["sex,hours,job", *(f"{sex},{hours},clerk" for sex, hours in rows), ",3,clerk"])
    (tmp_path / "t.csv").write_text(table + "\n")
    done = run(tmp_path / "linear", "--data", tmp_path / "t.csv", "--json", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["data"]["rows"] == {"in_file": 11, "tried": 11, "swapped": 10, "refused": 0, "left_out": {}}
    assert report["not_swapped"] == {"team": "the model does not read its column"}
    sex = report["attributes"]["sex"]
    assert [(one["source"], one["target"]) for one in sex["directions"]] == [("F", "M"), ("M", "F")]
    to_men, to_women = (one["base"] for one in sex["directions"])
    assert (to_men["to_favourable"], to_men["to_unfavourable"]) == (3, 0)
    assert (to_women["to_favourable"], to_women["to_unfavourable"]) == (0, 3)
    assert to_men["flipped"] == Rate.of_counts(3, 5).__dict__
    assert sex["any"]["final"] == Rate.of_counts(0, 10).__dict__
