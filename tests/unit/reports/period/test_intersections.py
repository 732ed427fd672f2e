"""A report of a target over an intersection, from the record alone."""

from dataclasses import replace

import pytest
import reported
from recording import recorder
from reported import HIRING, Applicant, applicants, batch

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.reports.period.bias_audit import LawAttributes
from evenhand.reports.period.build import ReportFiles, build
from evenhand.reports.period.period_page import html
from evenhand.reports.period.sections import ReportScope
from evenhand.reports.period.sentences import in_short, not_known
from evenhand.reports.period.source import ReportPeriod
from evenhand.service.audit import events
from evenhand.service.audit.feedback import Feedback
from evenhand.service.monitoring.disparity import BREACH
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings

ROWS = 2000
AIM = AttributeTarget(attribute="sex:race", measure="equal-opportunity", limit=0.02)
MANIFEST = HIRING.model_copy(update={"target": Target(attributes=[AIM], max_loss=0.01)})
CONFIGURATION = events.configuration(MANIFEST, "b" * 64)


@pytest.fixture(scope="module")
def people() -> list[Applicant]:
    return applicants(ROWS)


@pytest.fixture(scope="module")
def result(people: list[Applicant], tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder, out = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("out")
    made = recorder(folder)
    for number, first in enumerate(range(0, ROWS, 100)):
        taken = batch(people[first : first + 100], seed=number)
        made.take(replace(taken, manifest=MANIFEST, configuration=CONFIGURATION))
    items = [Feedback(one.id, "selected" if one.truth else "rejected") for one in people]
    for first in range(0, ROWS, 500):
        made.feedback(items[first : first + 500])
    made.close()
    period, law = ReportPeriod.between(*reported.window()), LawAttributes("sex", "race")
    scope = ReportScope(None, period, law, None, EvidenceSettings(rows=50), None)
    return build("", folder, scope, ReportFiles(out / "r.html", out / "r.json", None))


def test_the_target_comes_first_with_its_limit_and_its_groups(result: dict, people: list[Applicant]) -> None:
    fairness = result["fairness"]
    assert fairness["target"]["not_watched"] == []
    assert [of["target"] is not None for of in fairness["attributes"]] == [False, False, True]
    crossed = fairness["attributes"][2]
    assert (crossed["target"]["limit"], crossed["target"]["verdict"]) == (0.02, BREACH)
    said = in_short(result)
    assert said[0] == "Target: equal opportunity of sex:race, at most 1 points of accuracy lost."
    assert said[1].startswith("sex:race: breach. ")
    counted = [one for one in people if one.declares]
    groups = {group["group"]: group["rows"] for group in crossed["sources"]["declared"]["groups"]}
    black = sum(one.sex == "women" and one.race == "black" for one in counted)
    asian = sum(one.sex == "women" and one.race == "asian" for one in counted)
    assert groups == {
        "not both": len(counted) - black - asian,
        "women & black": black,
        "women & asian": asian,
    }


def test_who_is_left_out_is_said_and_the_page_shows_no_mode_of_it(
    result: dict, people: list[Applicant]
) -> None:
    left_out = sum(not one.declares for one in people)
    said = list(not_known(result))
    line = f"{left_out} of 2,000 decisions are in no figure of sex:race. A decision counts where both sex"
    assert any(each.startswith(line) for each in said), said
    page = " ".join(html(result).split())
    assert "By sex:race" in page
    assert "which is every row in the reference group of sex or of race." in page
    assert f"{left_out} decisions are left out." in page
