"""A whole report of a record that the service's own recorder wrote: figures, slices, events, the page."""

import json
import re
import sqlite3
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import recording
import reported
from fairlearn import metrics as fairlearn
from pages import check_escaped, hostile
from recording import recorder
from reported import Applicant

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle import reference
from evenhand.reports.html.wording import KEPT
from evenhand.reports.period.bias_audit import LawAttributes
from evenhand.reports.period.build import ReportFiles, build
from evenhand.reports.period.period_page import html
from evenhand.reports.period.sections import ReportScope
from evenhand.reports.period.sentences import in_short
from evenhand.reports.period.source import ReportError, ReportPeriod
from evenhand.service.audit.events import event
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings

ROWS = 6000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def people(folder: Path) -> list[Applicant]:
    return reported.write(folder, ROWS)


def ask(features: Path | None = None, **changed: object) -> ReportScope:
    period, law = ReportPeriod.between(*reported.window()), LawAttributes("sex", "race")
    usual = {"model": None, "period": period, "law_attributes": law, "features": features}
    scope = {**usual, "rules": EvidenceSettings(), "bundle": None, **changed}
    return ReportScope(**scope)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result(folder: Path, people: list[Applicant], tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("out")
    assert people
    return build("", folder, ask(), ReportFiles(out / "r.html", out / "r.json", None))


def declared(people: list[Applicant]) -> list[Applicant]:
    """Those who declared their groups."""
    return [one for one in people if one.declares]


def test_the_figures_are_fairlearns(result: dict, people: list[Applicant]) -> None:
    sex = result["fairness"]["attributes"][0]["sources"]["declared"]
    applicants = declared(people)
    assert sex["rows"] == len(applicants)
    first_half = {one.id for one in people[: ROWS // 2]}
    labelled = [one for one in applicants if one.id in first_half]
    for side in ("base", "final"):
        answers = [getattr(one, side) for one in applicants]
        groups = [one.sex for one in applicants]
        values = {metric["metric"]: metric[side]["value"] for metric in sex["metrics"]}
        nothing = np.zeros(len(applicants))
        parity = fairlearn.demographic_parity_difference(nothing, answers, sensitive_features=groups)
        ratio = fairlearn.demographic_parity_ratio(nothing, answers, sensitive_features=groups)
        truth, some = [one.truth for one in labelled], [getattr(one, side) for one in labelled]
        by = [one.sex for one in labelled]
        assert values["demographic_parity_difference"] == pytest.approx(parity, abs=1e-12)
        assert values["demographic_parity_ratio"] == pytest.approx(ratio, abs=1e-12)
        false_alarms = fairlearn.false_positive_rate_difference(truth, some, sensitive_features=by)
        assert values["predictive_equality_difference"] == pytest.approx(false_alarms, abs=1e-12)
        for name in ("equal_opportunity_difference", "equalized_odds_difference"):
            expected = getattr(fairlearn, name)(truth, some, sensitive_features=by)
            assert values[name] == pytest.approx(expected, abs=1e-12)


def test_the_target_comes_first_with_its_limit_from_the_record_and_the_cells_that_lose_beside_it(
    result: dict, people: list[Applicant]
) -> None:
    fairness = result["fairness"]
    assert (fairness["target"]["stated"], fairness["target"]["max_loss"]) == (True, 0.01)
    sex, race = fairness["attributes"]
    assert (sex["target"]["limit"], sex["target"]["limit_from"]) == (0.02, "bundle")
    assert sex["target"]["verdict"] == BREACH
    assert (race["target"]["limit"], race["target"]["verdict"]) == (None, INSUFFICIENT)
    roles = [metric["role"] for metric in sex["sources"]["declared"]["metrics"]]
    assert roles.count("target") == 1
    said = in_short(result)
    assert said[0] == f"Target: {fairness['target']['words']}."
    assert said[1].startswith("sex: breach. ")
    assert "with the correction the gap in true positive rates went from" in said[2]
    lost = [cell for of in (sex, race) for cell in of["sources"]["declared"]["correction"]["losing"]]
    assert lost
    page = " ".join(html(result).replace(KEPT, " ").split())
    assert page.index("Cells that the correction made less accurate") < page.index("These are not the target")
    first = lost[0]
    cell = f"<td>{first['group']}</td><td>{first['label']}</td><td>{first['n']}</td>"
    assert f"{cell}<td>{100 * first['value']:+.1f} points (" in page
    for cell in lost:
        assert any(f"“{cell['group']}” with true label “{cell['label']}”" in line for line in said)


def test_local_law_144_counts_the_same_people(result: dict, people: list[Applicant]) -> None:
    law, applicants = result["local_law_144"], declared(people)
    sex, race = law["tables"]
    for line in sex["lines"]:
        of = [one for one in applicants if one.sex == line["category"]]
        assert line["selection_rate"]["n"] == len(of)
        assert line["selection_rate"]["value"] == pytest.approx(np.mean([one.final for one in of]), abs=1e-12)
    for line in law["intersections"]["lines"]:
        of = [one for one in applicants if f"{one.sex}, {one.race}" == line["category"]]
        assert line["selection_rate"]["n"] == len(of)
        assert line["selection_rate"]["value"] == pytest.approx(np.mean([one.final for one in of]), abs=1e-12)
    assert [line["category"] for line in race["lines"] if line["small"]] == ["asian"]
    assert {table["unknown"] for table in (sex, race, law["intersections"])} == {ROWS - len(applicants)}


def test_the_planted_slice_is_the_first_one_named(result: dict) -> None:
    first = result["slices"]["errors"]["slices"][0]
    where = {tuple(condition) for condition in first["where"]}
    # Nobody but women is flagged or corrected, so that these stand for each other.
    women = {("declared sex", "women"), ("flagged for sex", "yes"), ("corrected", "yes")}
    assert ("declared race", "black") in where
    assert where & women
    assert first["verdict"] == BREACH


def test_the_record_is_checked_and_a_changed_one_named(
    folder: Path, people: list[Applicant], result: dict
) -> None:
    assert result["record"]["state"] == "holds"
    copy = folder.with_name("copied")
    copy.mkdir()
    for name in ("record.db", "record.key"):
        (copy / name).write_bytes((folder / name).read_bytes())
    with sqlite3.connect(copy / "record.db") as database:
        database.execute(
            "UPDATE records SET body = replace(body, '\"corrected\":false', '\"corrected\":true')"
            " WHERE seq = 7"
        )
        database.execute(
            "UPDATE records SET body = replace(body, '\"latency_s\":0.004', '\"latency_s\":0.005')"
            " WHERE seq = 7"
        )
    broken = build("", copy, ask(), ReportFiles(copy / "r.html"))
    assert broken["record"]["state"] == "does not hold"
    assert "record 7" in broken["record"]["sentence"]
    assert broken["record"]["sentence"].partition("`")[0] in (copy / "r.html").read_text()


def test_the_report_and_the_reading_of_groups_are_on_record(
    folder: Path, result: dict, tmp_path: Path
) -> None:
    """Each report sees those before it, and its page is the one whose hash is recorded."""
    page = tmp_path / "r.html"
    build("", folder, ask(), ReportFiles(page, tmp_path / "r.json", None))
    later = build("", folder, ask(), ReportFiles(tmp_path / "later.html"))
    assert later["events"]["counts"]["report"] > result["events"]["counts"].get("report", 0)
    reports = [entry for entry in later["events"]["events"] if entry["kind"] == "report"]
    assert reports[-1]["facts"]["sha256"] == sha256(page.read_bytes()).hexdigest()
    assert json.loads((tmp_path / "r.json").read_text())["page_sha256"] == reports[-1]["facts"]["sha256"]
    reads = [entry["facts"] for entry in later["events"]["events"] if entry["kind"] == "access"]
    assert {(entry["what"], entry["why"]) for entry in reads} == {("declared groups", "report")}
    assert later["events"]["counts"]["mode"] == 1


def test_without_the_key_no_group_is_told_of_single_decisions(
    folder: Path, people: list[Applicant], tmp_path: Path
) -> None:
    url = f"sqlite:///{folder / 'record.db'}"
    report = build(url, tmp_path, ask(), ReportFiles(tmp_path / "r.html"))
    assert not (tmp_path / "record.key").exists()
    assert report["groups_readable"] is False
    assert [line["selection_rate"]["n"] for line in report["local_law_144"]["tables"][0]["lines"]] != []
    assert report["local_law_144"]["intersections"]["lines"] == []
    assert not [name for name in report["slices"]["features"] if name.startswith("declared")]
    assert report["rows"]["not_held"]["sex"] == len(declared(people))
    assert "key is not at hand" in (tmp_path / "r.html").read_text()


def test_own_features_are_joined_by_id_and_a_bad_value_is_found(
    folder: Path, people: list[Applicant], tmp_path: Path
) -> None:
    table = pd.DataFrame({"id": [one.id for one in people], "years": np.arange(ROWS) % 40})
    table["agency"] = ["north" if not one.final else "south" for one in people]
    table = table.iloc[: ROWS - 10]
    for name, write in (("f.csv", table.to_csv), ("f.parquet", table.to_parquet)):
        write(tmp_path / name, index=False)
        report = build("", folder, ask(tmp_path / name), ReportFiles(tmp_path / "r.html"))
        assert report["slices"]["in_own_table"] == ROWS - 10
        first = report["slices"]["unfavourable"]["slices"][0]
        assert (dict(map(tuple, first["where"])), first["verdict"]) == ({"agency": "north"}, BREACH)
        assert first["rate"]["value"] == 1.0
        assert "years" in report["slices"]["features"]


class Reader(HTMLParser):
    """What a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "img", "object", "embed", "form"):
            self.bad.append(tag)
        self.bad += [f"{tag} {name}" for name, _ in attrs if name.startswith("on") or name == "src"]
        self.bad += [
            value for name, value in attrs if name.endswith("href") and value and not value.startswith("#")
        ]


def test_the_page_fetches_and_runs_nothing_and_says_what_was_found(result: dict) -> None:
    page, reader = html(result), Reader()
    reader.feed(page)
    assert reader.bad == []
    assert not re.search(r"url\((?!#)|@import", page)
    for words in (
        "Target",
        "Other figures, for information",
        "Local Law 144",
        "Where it is worst",
        "What is not known",
        "sensitive data read",
    ):
        assert words in page
    assert '<span class="mark bad">breach</span>' in page


def test_hostile_words_are_escaped(result: dict) -> None:
    names = ["hiring", "sex", "race", "women", "black", "asian", "selected"]
    events = {
        "counts": {"x": 1},
        "events": [{"time": "2026-03-01T00:00:00.000Z", "kind": "x", "facts": {"sex": "men"}}],
    }
    check_escaped(html(hostile({**result, "events": events}, [*names, "men", "ops"])), names)


def test_without_any_named_attribute_the_table_is_marked_as_not_the_laws(
    folder: Path, result: dict, tmp_path: Path
) -> None:
    report = build(
        "", folder, ask(law_attributes=LawAttributes(None, None)), ReportFiles(tmp_path / "r.html")
    )
    assert [table["title"] for table in report["local_law_144"]["tables"]] == ["sex", "race"]
    assert report["local_law_144"]["intersections"] is None
    assert "This is not the table that the law asks for" in (tmp_path / "r.html").read_text()
    report = build(
        "", folder, ask(law_attributes=LawAttributes("sex", None)), ReportFiles(tmp_path / "r.html")
    )
    assert "No attribute was named as race or ethnicity" in (tmp_path / "r.html").read_text()


def test_a_card_is_the_bundles_and_the_use(
    demo: Path, folder: Path, people: list[Applicant], tmp_path: Path
) -> None:
    made = recorder(tmp_path)
    for number in range(3):
        made.take(recording.batch(100, number, race=("none", "African", "Women")[number]))
    made.close()
    bundle = bundles.load(demo)
    files = ReportFiles(tmp_path / "r.html", None, tmp_path / "card.md")
    report = build("", tmp_path, ask(bundle=bundle, law_attributes=LawAttributes(None, None)), files)
    card, text = (demo / "MODEL_CARD.md").read_text(), (tmp_path / "card.md").read_text()
    assert text.startswith(card.rstrip() + "\n\n## In use, ")
    assert (
        "300 decisions were counted. Of the 300 on record 0 were made by this bundle, and of 0 the true"
        in text
    )
    assert "| race | declared groups | demographic parity difference |" in text
    usual = reference.read(bundle.reference, bundle.evaluation)["race"].worst_cell_accuracy
    assert usual is not None
    least = max(0.0, usual - 0.05)
    (race,) = [of for of in report["fairness"]["attributes"] if of["attribute"] == "race"]
    limit = (race["target"]["limit"], race["target"]["limit_from"])
    assert limit == (pytest.approx(least, abs=1e-12), "validation")
    assert report["fairness"]["target"]["stated"] is False
    shown = f"too few rows | too few rows | {least:.3g} | insufficient data"
    assert f"| race | worst-cell accuracy | {shown} |" in text
    with pytest.raises(ReportError, match="--bundle is of hate-speech, and the report of hiring"):
        build("", folder, ask(bundle=bundle), files)


def test_decisions_that_abstained_are_shown_apart(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    for number, (group, places) in enumerate({"none": range(10), "African": range(70)}.items()):
        made.take(recording.withheld(recording.batch(150, number, race=group), "race", *places))
    made.close()
    report = build(
        "", tmp_path, ask(law_attributes=LawAttributes(None, "race")), ReportFiles(tmp_path / "r.html")
    )
    assert report["fairness"]["abstention"]["attributes"] == {"race": 80}
    metric = next(
        metric for metric in declared_metrics(report) if metric["metric"] == "abstention_rate_difference"
    )
    assert (metric["verdict"], metric["final"]["value"]) == (None, pytest.approx(0.4))
    said = "80 of 300 decisions abstained (80 for race): 26.7"
    page = " ".join((tmp_path / "r.html").read_text().replace(KEPT, " ").split())
    assert said in page
    assert "Decisions that abstained, over declared groups of race." in page
    assert '<th scope="row">African</th><td>150</td><td>70</td>' in page
    assert "80 decisions abstained and were left to a person." in page
    assert "abstained" in report["slices"]["features"]


def test_without_abstentions_the_report_does_not_speak_of_them(result: dict) -> None:
    assert result["fairness"]["abstention"] is None
    assert "decisions abstained" not in html(result)
    assert "abstained" not in result["slices"]["features"]


def declared_metrics(result: dict) -> list[dict]:
    return [
        metric for of in result["fairness"]["attributes"] for metric in of["sources"]["declared"]["metrics"]
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "loans"}, "holds no decision of model 'loans'; it holds: hiring"),
        (
            {"period": ReportPeriod.between("2020-01-01", "2020-01-31")},
            "no decision of hiring in 2020-01-01 to 2020-01-31; its decisions are of ",
        ),
        (
            {"law_attributes": LawAttributes("gender", None)},
            "--sex-attribute: the model has no attribute 'gender'; it has sex, race",
        ),
        (
            {"law_attributes": LawAttributes(None, "origin")},
            "--race-attribute: the model has no attribute 'origin'",
        ),
    ],
)
def test_what_cannot_be_reported_is_said_in_one_line(
    folder: Path, people: list[Applicant], tmp_path: Path, changed: dict, said: str
) -> None:
    with pytest.raises(ReportError, match=re.escape(said)) as caught:
        build("", folder, ask(**changed), ReportFiles(tmp_path / "r.html"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "r.html").exists()


def test_there_must_be_a_record_and_it_must_be_ours(
    folder: Path, people: list[Applicant], tmp_path: Path
) -> None:
    files = ReportFiles(tmp_path / "r.html")
    with pytest.raises(ReportError, match="no record in"):
        build("", tmp_path, ask(), files)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ReportError, match="holds no record of decisions"):
        build(f"sqlite:///{tmp_path / 'empty.db'}", tmp_path, ask(), files)
    with pytest.raises(ReportError, match="no usable URL"):
        build("mysql://nobody@nowhere/x", tmp_path, ask(), files)
    with pytest.raises(ReportError, match="setting record is off"):
        build("off", tmp_path, ask(), files)
    (tmp_path / "record.key").write_text("00" * 32)
    with pytest.raises(ReportError, match="not the key that this record was begun with"):
        build(f"sqlite:///{folder / 'record.db'}", tmp_path, ask(), files)


def test_another_models_decisions_and_events_stay_out(tmp_path: Path) -> None:
    people, made = reported.applicants(600), recorder(tmp_path)
    for first in range(0, 600, 100):
        made.take(reported.batch(people[first : first + 100]))
    made.note(event("mode", {"model": "another", "attribute": "sex", "from": "off", "to": "apply"}))
    made.close()
    report = build("", tmp_path, ask(), ReportFiles(tmp_path / "r.html"))
    assert "mode" not in report["events"]["counts"]
    assert report["feedback"]["labelled"] == 0
    assert report["slices"]["errors"]["verdict"] == "insufficient data"
    assert "No true label is known" in (tmp_path / "r.html").read_text()
