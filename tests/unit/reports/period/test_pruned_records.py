"""What a report still says after records were pruned or erased, and once the evidence has been weighed."""

import time
from pathlib import Path

import pytest
import reported
from recording import recorder
from reported import Applicant

from evenhand.reports.period.bias_audit import LawAttributes
from evenhand.reports.period.build import ReportFiles, build
from evenhand.reports.period.sections import ReportScope
from evenhand.reports.period.source import ReportPeriod
from evenhand.service.audit.digest_keys import load_keys
from evenhand.service.audit.maintenance import retention
from evenhand.service.audit.store import make_engine
from evenhand.service.monitoring.sequential.evaluator import Evaluator
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings

ROWS = 1500
DAY_MS = 86_400_000


@pytest.fixture
def people(tmp_path: Path) -> list[Applicant]:
    return reported.write(tmp_path, ROWS)


def report(folder: Path) -> tuple[dict, str]:
    scope = ReportScope(
        None,
        ReportPeriod.between(*reported.window()),
        LawAttributes("sex", "race"),
        None,
        EvidenceSettings(),
        None,
    )
    result = build("", folder, scope, ReportFiles(folder / "r.html"))
    return result, (folder / "r.html").read_text()


def test_counts_outlast_the_records_they_are_of(tmp_path: Path, people: list[Applicant]) -> None:
    before, _ = report(tmp_path)
    engine = make_engine(f"sqlite:///{tmp_path / 'record.db'}")
    now_ms = time.time_ns() // 1_000_000
    retention.prune(engine, 1.5, 1.5, now_ms)
    after, page = report(tmp_path)
    assert after["rows"]["counted"] == before["rows"]["counted"] == ROWS
    assert after["rows"]["recorded"] < ROWS
    assert after["record"]["state"] == "holds"
    # Figures over groups are of all that was counted; the intersections are of what is still held.
    assert after["fairness"]["attributes"][0]["sources"] == before["fairness"]["attributes"][0]["sources"]
    assert after["local_law_144"]["tables"] == before["local_law_144"]["tables"]
    assert (
        after["local_law_144"]["intersections"]["unknown"]
        < before["local_law_144"]["intersections"]["unknown"]
    )
    assert f"{ROWS:,} decisions were counted" in page
    assert after["events"]["counts"]["prune"] == 1
    engine.dispose()


def test_without_the_attributes_their_loss_is_told(tmp_path: Path, people: list[Applicant]) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'record.db'}")
    retention.prune(engine, 30, 0, time.time_ns() // 1_000_000 + 2 * DAY_MS)
    engine.dispose()
    result, page = report(tmp_path)
    declarations = sum(one.declares for one in people)
    assert result["rows"]["not_held"] == {"sex": declarations, "race": declarations}
    assert result["local_law_144"]["intersections"]["lines"] == []
    assert f"For {declarations:,} decisions sex was declared, and is not kept any more" in page


def test_an_erased_decision_is_in_no_slice_and_is_counted_as_erased(
    tmp_path: Path, people: list[Applicant]
) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'record.db'}")
    retention.erase(engine, load_keys(tmp_path / "record.key"), [one.id for one in people[:5]], "ops")
    engine.dispose()
    result, page = report(tmp_path)
    assert (result["rows"]["recorded"], result["rows"]["erased"]) == (ROWS - 5, 5)
    assert result["record"]["state"] == "holds"
    assert result["events"]["counts"]["erase"] >= 1
    assert "5 records of decisions were erased" in page
    assert not [one.id for one in people if one.id in page]


def test_weighed_evidence_is_told_in_sentences(tmp_path: Path, people: list[Applicant]) -> None:
    _, page = report(tmp_path)
    assert "None is kept" in page
    made = recorder(tmp_path)
    evaluator = Evaluator(made.engine, made.keys, EvidenceSettings(), 1.0, lambda kept: None)
    while evaluator.take_batch():
        pass
    made.close()
    result, page = report(tmp_path)
    evidence = [
        one
        for of in result["fairness"]["attributes"]
        for one in of["evidence"]
        if one["process"] == "since_start"
    ]
    assert {(one["group"], one["metric"]) for one in evidence} >= {("women", "demographic_parity")}
    assert all(one["sentence"].replace("'", "&#39;") in page for one in evidence)
