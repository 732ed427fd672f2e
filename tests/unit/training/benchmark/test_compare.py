"""The whole comparison on a tiny base: one table, resumed where it stopped, and no method stops another."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from markupsafe import escape
from pages import outline
from tiny_model import tiny_table, write_tiny_base
from typer.testing import CliRunner

from evenhand.cli.compare import compare
from evenhand.training.baselines import index
from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees
from evenhand.training.correctors.interface import NotApplicableError

app = typer.Typer()
app.command()(compare)
LABELS = {"negative": "negative <b>", "positive": "positive <b>"}
COLUMNS = (
    *(
        "--text",
        "text",
        "--label",
        "label",
        "--attribute",
        "team",
        "--attribute",
        "colour",
        "--split",
        "split",
    ),
    *("--reference", "team=none", "--favourable", LABELS["positive"]),
)
CONTROLS = ("global-threshold", "thresholds", "declared-offsets")
SMALL = ("--max-tokens", "16", "--epochs", "1", "--hold-out", "0.3", "--precision", "float32")


@dataclass(frozen=True)
class Fussy(Method):
    """Fails on one seed."""

    name: str = "fussy"
    title: str = "Fussy <script>"
    source: str = "<script>"
    sees: Sees = Sees("part", "none", test=False)

    def answer(self, context: Context) -> MethodAnswer:
        if context.seed == 1:
            raise NotApplicableError("not with this <script> seed\nand more lines")
        return MethodAnswer.of_logits(context.features.base_logits[context.scored])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    write_tiny_base(folder / "base")
    tiny_table(900).replace({"label": LABELS}).to_csv(folder / "data.csv", index=False)
    (folder / "terms.json").write_text('{"team": {"alpha": ["alpha"], "beta": ["beta"]}}')
    return folder


def run(place: Path, *more: str, code: int = 0, columns: tuple[str, ...] = COLUMNS) -> str:
    arguments = [
        "--base",
        str(place / "base"),
        "--data",
        str(place / "data.csv"),
        "--out",
        str(place / "out"),
    ]
    arguments += ["--terms", str(place / "terms.json")]
    result = CliRunner().invoke(app, [*arguments, *columns, *SMALL, *more], env={"COLUMNS": "300"})
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return result.output


def stamps(place: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (place / "out/results").glob("*.json")}


@pytest.fixture(scope="module")
def said(place: Path) -> str:
    patch = pytest.MonkeyPatch()
    patch.setattr(index, "METHODS", (*index.METHODS, Fussy()))
    yield run(place, "--seeds", "0,1")
    patch.undo()


def test_the_favourable_label_must_be_named(place: Path) -> None:
    columns = COLUMNS[: COLUMNS.index("--favourable")]
    said = run(place, code=1, columns=columns)
    assert "which label is good for the person? column label holds negative <b>, positive <b>" in said
    assert "name it with --favourable <label>" in said
    assert not (place / "out").exists()


def shown() -> tuple[Method, ...]:
    """Methods that have a line: those that suit texts of two labels."""
    return tuple(method for method in index.METHODS if method.suits("text", 2))


def test_every_method_has_its_line_and_says_who_sees_the_attribute(said: str) -> None:
    assert "Gradient-boosted" not in said
    for method in shown():
        title = f"{method.title} (control)" if method.control else method.title
        lines = [line for line in said.splitlines() if line.strip().startswith(f"{title}  ")]
        assert len(lines) == 2, method
        assert all(str(method.sees) in line for line in lines)
    assert "none/all/yes" in said
    assert "val rows" in said
    assert "test rows" in said
    assert "±" in said


def test_a_failed_seed_is_told_with_its_reason_and_stops_nothing(said: str, place: Path) -> None:
    lines = [
        line for line in said.splitlines() if line.strip().startswith("Fussy ") and "part/none/no" in line
    ]
    assert len(lines) == 2
    assert all("1/2" in line for line in lines)
    assert "NotApplicableError: not with this" in said
    assert "more lines" not in said
    with (place / "out/figures.csv").open() as file:
        failed = [row for row in csv.DictReader(file) if row["failed"]]
    assert [(row["method"], row["seed"]) for row in failed] == [("fussy", "1")]


def test_results_hold_predictions_by_row_number(said: str, place: Path) -> None:
    table = tiny_table(900)
    stored = json.loads((place / "out/results/reweighting-seed1.json").read_text())
    assert {table["split"][row] for row in stored["row"]} == {"val", "test"}
    assert len(stored["predicted"]) == len(stored["score"]) == 360
    assert set(stored["predicted"]) <= {0, 1}
    assert stored["labels"] == list(LABELS.values())
    everything = "".join(file.read_text() for file in (place / "out").glob("*.*"))
    assert not any(text in everything for text in table["text"] if len(text) > 20)


def test_the_csv_has_every_seed_the_mean_and_the_spread(said: str, place: Path) -> None:
    with (place / "out/figures.csv").open() as file:
        rows = list(csv.DictReader(file))
    own = {row["seed"]: row for row in rows if (row["method"], row["split"]) == ("dfr", "test")}
    assert set(own) == {"0", "1", "mean", "sd"}
    mean = (float(own["0"]["accuracy"]) + float(own["1"]["accuracy"])) / 2
    assert float(own["mean"]["accuracy"]) == pytest.approx(mean, abs=1e-5)
    assert float(own["0"]["accuracy_low"]) < float(own["0"]["accuracy"]) < float(own["0"]["accuracy_high"])


def test_the_page_shows_every_method_its_plot_and_what_failed(said: str, place: Path) -> None:
    page = (place / "out/index.html").read_text()
    # Too few rows for equalized odds: the target's worst cell and demographic parity, on both splits.
    assert page.count("<svg") == 4
    assert "Target: worst cell of team and colour, at most 0.5 points of accuracy lost" in page
    assert "Harm: the cell that loses most" in page
    for method in (*shown(), Fussy()):
        assert page.count(escape(method.title)) >= 3, method
    assert "failed: NotApplicableError: not with this &lt;script&gt; seed" in page
    assert "How to read this" in page
    assert "script" not in outline(page).names
    assert "tive &lt;b&gt;</td>" in page  # the label of the worst cell
    assert "<b>" not in page
    assert not any(text in page for text in tiny_table(900)["text"] if len(text) > 20)


def test_a_second_run_does_only_what_is_missing(said: str, place: Path) -> None:
    before = stamps(place)
    (place / "out/results/dfr-seed1.json").unlink()
    again = run(place, "--seeds", "0,1")
    after = stamps(place)
    assert "seed 0: DFR" not in again
    assert re.search(r"seed 1: DFR, \d+ results to go, about", again)
    assert {name for name, stamp in after.items() if before[name] != stamp} == {"dfr-seed1.json"}
    assert "fine-tuning the base" not in again or "epoch 1/1" not in again
    tables = [text[text.index("val rows") :] for text in (said, again)]
    assert tables[0] == tables[1]


def test_a_control_is_held_to_the_cost_of_what_was_certified_and_follows_it(said: str, place: Path) -> None:
    results = place / "out/results"
    stored = json.loads((results / "threshold-at-cost-seed1.json").read_text())
    assert stored["notes"]["beside"] == "certified-full"
    before = stamps(place)
    (results / "certified-full-seed1.json").unlink()
    run(place, "--seeds", "1")
    changed = {name for name, stamp in stamps(place).items() if before[name] != stamp}
    assert changed == {"certified-full-seed1.json", "threshold-at-cost-seed1.json"}


def test_other_settings_are_another_result(said: str, place: Path) -> None:
    before = stamps(place)
    run(place, "--seeds", "0", "--methods", "base", "--max-loss", "10")
    changed = {name for name, stamp in stamps(place).items() if before[name] != stamp}
    # Controls stand in every table; the others keep what they have.
    assert changed == {f"{name}-seed0.json" for name in ("base", *CONTROLS)}
    document = json.loads((place / "out/recommendation.json").read_text())
    assert document["target"]["max_loss"] == 0.1
    assert isinstance(document["controls"], list)


def test_the_target_is_the_first_fairness_figure(place: Path) -> None:
    aim = ("--target", "colour=demographic-parity", "--max-cell-loss", "100")
    printed = run(place, "--seeds", "0", "--methods", "base", *aim, "--out", str(place / "parity"))
    header = (place / "parity/figures.csv").read_text().splitlines()[0].split(",")
    assert header.index("target") < header.index("largest_cell_loss") < header.index("worst_cell")
    assert "target_colour" in header
    assert "target_team" not in header
    heading = " ".join(printed.split())
    assert "Target: demographic parity of colour, at most 0.5 points of accuracy lost;" in heading
    rows = list(csv.DictReader((place / "parity/figures.csv").open()))
    base = next(row for row in rows if (row["method"], row["split"], row["seed"]) == ("base", "test", "0"))
    assert base["target"] == base["target_colour"] == base["demographic_parity_colour"]
    assert float(base["target_difference"]) == 0
    assert {row["method"]: row["control"] for row in rows} == {
        "base": "no",
        **dict.fromkeys(CONTROLS, "yes"),
    }


@pytest.mark.parametrize(
    ("more", "message", "code"),
    [
        (("--methods", "magic"), "no method magic; there are base, global-threshold, ", 1),
        (("--attribute", "nothing"), "no column nothing", 1),
        (("--seeds", "one"), "not numbers separated by commas", 2),
        (("--data", "nowhere.csv"), "nowhere.csv: not readable", 1),
        (("--precision", "int8"), "is one of bfloat16, float32", 2),
        (("--hold-out", "1"), "1 is not a share from 0 to less than 1", 2),
        (("--max-loss", "nan"), "nan is not a number of points from 0 to 100", 2),
        (("--max-cell-loss", "101"), "101 is not a number of points from 0 to 100", 2),
        (("--target", "parity"), "a measure is one of worst-cell, equalized-odds", 2),
        (("--target", "age=worst-cell"), "no such attribute; there are team, colour", 1),
        (("--target", "worst-cell", "--target", "equalized-odds"), "give one measure for all", 2),
        (("--task", "pair"), "--task pair needs --text-pair", 2),
        (("--recipe", "adult"), "leave out --text, --label, --attribute", 2),
        (("--seeds", "-1"), "a seed is a number from 0 to", 2),
        (("--epochs", "0"), "'--epochs'", 2),
        (("--terms", "nowhere.json"), "nowhere.json: not readable", 1),
    ],
)
def test_what_cannot_be_compared_ends_in_one_sentence(
    place: Path, more: tuple[str, ...], message: str, code: int
) -> None:
    said = " ".join(run(place, *more, code=code).replace("│", " ").split())
    assert message in said
    assert "Traceback" not in said


def test_a_table_needs_its_columns(place: Path) -> None:
    assert "--label and --attribute are needed" in run(place, code=2, columns=())
