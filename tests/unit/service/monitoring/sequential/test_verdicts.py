"""What evidence says: three states, a sentence, and a value that agrees with both."""

import math

import pytest
from evaluating import ATTRIBUTES, MANIFEST

from bench.evidence import KEY, RULES, Population, follow, rows
from evenhand.models.bundle.aims import Aim
from evenhand.service.monitoring.sequential.evidence import METRICS, Evidence, EvidenceSettings
from evenhand.service.monitoring.sequential.verdicts import Kept, findings

AIMS = {
    name: Aim("equalized-odds", 0.05, "operator")
    if name == "age"
    else Aim("demographic-parity", 0.05, "operator")
    for name in ("sex", "age")
}


def entries_of(world: Population, n: int) -> tuple[Kept, dict[str, dict[str, object]]]:
    """The entries of one comparison, as the model's attribute ``sex``, by process."""
    made = Evidence(RULES, {})
    follow(made, rows(world, n, 5))
    comparison = made.comparisons[KEY]
    comparison.reference = "men"
    kept = Kept(MANIFEST.name, "sex", "women", KEY[2], comparison)
    entries = findings([kept], MANIFEST.name, ATTRIBUTES, RULES, AIMS)
    return kept, {
        entry["process"]: entry for entry in entries if (entry["group"], entry["metric"]) == ("women", KEY[2])
    }


def test_every_comparison_has_both_processes_and_those_without_rows_are_insufficient() -> None:
    entries = findings([], MANIFEST.name, ATTRIBUTES, RULES, AIMS)
    assert len(entries) == 2 * len(METRICS) * 3  # women; old and young
    assert {entry["state"] for entry in entries if entry["role"] == "target"} == {"insufficient data"}
    assert {(entry["attribute"], entry["metric"]) for entry in entries if entry["role"] == "target"} == {
        ("sex", "demographic_parity"),
        ("age", "true_positive_rate"),
        ("age", "false_positive_rate"),
    }
    assert {entry["state"] for entry in entries if entry["role"] == "information"} == {None}
    assert {entry["rows"] for entry in entries} == {0}
    assert {entry["limit_ln"] for entry in entries} == {math.log(365), math.log(9 / 0.05)}
    assert entries[0]["sentence"] == (
        "too few rows to speak of a gap above 5 points in selection rate between women and men: "
        "n = 0 women and 0 men; at least 100 of each are needed"
    )
    assert findings([], "other", ATTRIBUTES, RULES, AIMS)[0]["model"] == "other"


def test_few_rows_are_insufficient_and_many_fair_ones_no_evidence() -> None:
    _, few = entries_of(Population(), 200)
    assert {entry["state"] for entry in few.values()} == {"insufficient data"}
    kept, many = entries_of(Population(), 20_000)
    assert {entry["state"] for entry in many.values()} == {"no evidence of breach"}
    (theirs, mine), (theirs_good, mine_good) = kept.comparison.rows, kept.comparison.favourable
    assert many["since_start"]["sentence"] == (
        "no evidence of a gap above 5 points in selection rate between women and men since 1970-01-01; "
        f"level 0.05, valid at any time; n = {mine:,} women ({100 * mine_good / mine:.1f} %) "
        f"and {theirs:,} men ({100 * theirs_good / theirs:.1f} %)"
    )
    assert many["detector"]["sentence"] == (
        "no alarm of a gap above 5 points in selection rate between women and men; "
        "on average at most one false alarm in 365 days for the whole model"
    )


@pytest.mark.parametrize(("gap", "side"), [(0.25, "below"), (-0.25, "above")])
def test_a_breach_says_since_when_and_which_way(gap: float, side: str) -> None:
    _, entries = entries_of(Population(gap=gap), 20_000)
    assert {entry["state"] for entry in entries.values()} == {"breach"}
    assert str(entries["detector"]["sentence"]).startswith("alarm since 1970-01-")
    assert f"between women and men, women {side}; " in str(entries["detector"]["sentence"])
    assert str(entries["since_start"]["sentence"]).startswith(
        "evidence of a gap above 5 points in selection rate "
    )
    assert "found on 1970-0" in str(entries["since_start"]["sentence"])


def test_value_and_limit_say_the_same_as_the_state() -> None:
    made = Evidence(RULES, {})
    follow(made, rows(Population(gap=0.25), 3_000, 1))
    seen = set()
    for row in rows(Population(), 30_000, 2, 3_000):
        made.add(row, KEY[2])
        one = Kept("m", "sex", "women", KEY[2], made.comparisons[KEY])
        for process in ("detector", "since_start"):
            assert one.is_breach(process) == (one.value_ln(process) > one.limit_ln(process))
            seen.add((process, one.is_breach(process), one.comparison.since_start_ln < 0))
    assert ("detector", False, True) in seen
    assert ("since_start", True, True) in seen  # found once, and not taken back


def test_a_comparison_with_another_reference_is_not_this_one() -> None:
    made = Evidence(EvidenceSettings(), {})
    follow(made, rows(Population(), 1_000, 5))
    kept = Kept(MANIFEST.name, "sex", "women", KEY[2], made.comparisons[KEY])  # against "reference"
    assert {entry["rows"] for entry in findings([kept], MANIFEST.name, ATTRIBUTES, RULES, AIMS)} == {0}


def test_evidence_is_of_the_targets_own_limit_and_of_no_rate_where_it_is_the_worst_cell() -> None:
    stated = {"sex": Aim("equal-opportunity", 0.1, "bundle"), "age": Aim("worst-cell", 0.7, "bundle")}
    entries = findings([], MANIFEST.name, ATTRIBUTES, RULES, stated)
    said = {entry["metric"]: entry for entry in entries if entry["attribute"] == "sex"}
    assert "a gap above 10 points in true positive rate" in said["true_positive_rate"]["sentence"]
    assert "a gap above 5 points in selection rate" in said["demographic_parity"]["sentence"]
    assert {entry["role"] for entry in entries if entry["attribute"] == "age"} == {"information"}
    made = Evidence(EvidenceSettings(), {})
    follow(made, rows(Population(), 1_000, 5))
    comparison = made.comparisons[KEY]
    comparison.reference = "men"
    kept = Kept(MANIFEST.name, "sex", "women", KEY[2], comparison)  # begun with another limit
    wider = {"sex": Aim("demographic-parity", 0.1, "bundle")}
    entries = findings([kept], MANIFEST.name, ATTRIBUTES, RULES, wider)
    assert {entry["rows"] for entry in entries if entry["metric"] == KEY[2]} == {0}
