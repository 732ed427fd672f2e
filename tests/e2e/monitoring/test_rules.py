"""The rules, tested by promtool: each alert fires, stays silent, and is silent on too few rows."""

import re
import shutil
import subprocess
import sys
from math import sqrt
from pathlib import Path

import pytest
import yaml
from alert_cases import CASES, SILENT, labelled
from monitoring_stack import DEPLOY, program
from promtool import Case, aims, assert_cases, both, decisions, outcomes, series

from evenhand.service.monitoring.correction import change
from evenhand.service.monitoring.groups import PairCounts
from evenhand.stats import Rate

RULES = DEPLOY / "prometheus/rules"
RUNBOOK = DEPLOY.parent / "docs/runbook"


@pytest.mark.parametrize("alert", CASES)
def test_alert_fires_stays_silent_and_waits_for_enough(alert: str, tmp_path: Path) -> None:
    assert_cases(tmp_path, CASES[alert], windows_of(alert))


def windows_of(alert: str) -> list[str]:
    """The windows whose recorded series an alert asks for; promtool computes no others."""
    groups = [
        group for file in RULES.glob("alerts_*.yml") for group in yaml.safe_load(file.read_text())["groups"]
    ]
    (expression,) = {
        rule["expr"] for group in groups for rule in group["rules"] if rule.get("alert") == alert
    }
    if "ALERTS" in expression:  # other alerts silence it
        return ["1d", "7d"]
    return sorted(set(re.findall(r"evenhand:\w+:(\d+[hd])\b", expression)))


MEMBER = 'attribute="sex", group="{}", model="m", source="declared"'
ALL = 'attribute="sex", model="m", source="declared"'


def one(record: str, labels: str, value: float) -> dict[str, dict[str, float]]:
    """A record has this one series."""
    return {record: {f"{record}{{{labels}}}": value}}


def near(query: str, expected: float) -> dict[str, dict[str, float]]:
    """A query has one value, which differs from this one by rounding at most."""
    return {f"sum(abs({query} - {expected!r})) < bool 1e-12": {"{}": 1}}


EDGES = [
    Case(
        "a group that is never selected has the rate 0 and is in the gap",
        both(decisions("a", 10, 0.4), decisions("b", 10, 0.2), decisions("x", 10, 0)),
        {
            'evenhand:selection_rate_final:1d{group="x"}': {
                "evenhand:selection_rate_final:1d{" + MEMBER.format("x") + "}": 0
            },
            **one("evenhand:demographic_parity_difference_final:1d", ALL, 0.4),
            **one("evenhand:demographic_parity_ratio_final:1d", ALL, 0),
        },
    ),
    Case(
        "series that a replica lacks are zero, no missing group",
        both(
            decisions("a", 10, 0.4),
            series("evenhand_decisions_total", 10, group="x", source="declared", base="0", final="0"),
        ),
        one("evenhand:demographic_parity_difference_final:1d", ALL, 0.4),
    ),
    Case(
        "nobody is selected: no difference, and no ratio",
        both(decisions("a", 10, 0), decisions("b", 10, 0)),
        {
            **one("evenhand:demographic_parity_difference_final:1d", ALL, 0),
            "evenhand:demographic_parity_ratio_final:1d": SILENT,
            "evenhand:impact_ratio_final:1d": SILENT,
        },
    ),
    Case(
        "a group without positives has no true positive rate and is not in that gap",
        both(
            aims("equal-opportunity", 0.05),
            labelled("a", 10, 0.8, 10, 0.5),
            labelled("b", 10, 0.6, 10, 0.5),
            labelled("x", 0, 0, 10, 0.5),
        ),
        {
            'evenhand:true_positive_rate_final:1d{group="x"}': SILENT,
            **one("evenhand:equal_opportunity_difference_final:1d", ALL, 0.8 - 0.6),
            **one("evenhand:equalized_odds_difference_final:1d", ALL, 0.8 - 0.6),
            **one("evenhand:target_verdict:1d", f'{ALL}, measure="equal-opportunity"', 0),
        },
    ),
    Case(
        "no group has positives: equalized odds is the false positive rates' difference",
        both(labelled("a", 0, 0, 10, 0.5), labelled("b", 0, 0, 10, 0.2)),
        {
            "evenhand:equal_opportunity_difference_final:1d": SILENT,
            **one("evenhand:equalized_odds_difference_final:1d", ALL, 0.3),
        },
    ),
    Case(
        "a group of one row is in the point estimate, with limits that are wide",
        both(aims("demographic-parity", 0.05), decisions("a", 1000, 0.5), decisions("x", 1, 1)),
        {
            **one("evenhand:demographic_parity_difference_final:1d", ALL, 0.5),
            **one("evenhand:demographic_parity_difference_final_lower:1d", ALL, 0),
            **one("evenhand:target_verdict:1d", f'{ALL}, measure="demographic-parity"', 0),
            **one("evenhand:smallest_group_rows:1d", ALL, 1),
        },
    ),
    Case(
        "a group that is not seen has no rate, and is what the smallest group's rows tell of",
        both(
            aims("demographic-parity", 0.05),
            decisions("a", 1000, 0.5),
            decisions("b", 1000, 0.5),
            decisions("x", 0, 0),
        ),
        {
            'evenhand:selection_rate_final:1d{group="x"}': SILENT,
            **one("evenhand:demographic_parity_difference_final:1d", ALL, 0),
            **one("evenhand:target_verdict:1d", f'{ALL}, measure="demographic-parity"', 1),
            **one("evenhand:smallest_group_rows:1d", ALL, 0),
        },
    ),
    Case(
        "everything is unknown: no gap, insufficient data, a share of one",
        both(
            aims("demographic-parity", 0.05),
            decisions("a", 0, 0),
            decisions("b", 0, 0),
            decisions("unknown", 500, 0.5),
        ),
        {
            "evenhand:demographic_parity_difference_final:1d": SILENT,
            **one("evenhand:target_verdict:1d", f'{ALL}, measure="demographic-parity"', 0),
            **one("evenhand:unknown_share:1d", 'attribute="sex", model="m"', 1),
        },
    ),
    Case(
        "only what was replied without a decision is one that was not given",
        both(
            series("evenhand_risk_bucket", 1000, le="+Inf"),
            series("evenhand_abstentions_total", 30, result="applied", base="0"),
            series("evenhand_abstentions_total", 10, result="applied", base="1"),
            series("evenhand_abstentions_total", 500, result="shadow", base="1"),
        ),
        {
            **one("evenhand:abstained_share:1d", 'attribute="sex", model="m"', 0.04),
            **near("evenhand:abstained_share_lower:1d", Rate.of_counts(40, 1000).low or 0.0),
            **near("evenhand:abstained_share_upper:1d", Rate.of_counts(40, 1000).high or 0.0),
        },
    ),
    Case(
        "a bundle without a bound gives every decision",
        series("evenhand_risk_bucket", 1000, le="+Inf"),
        one("evenhand:abstained_share:1d", 'attribute="sex", model="m"', 0),
    ),
    Case(
        "the worst cell, its figures and its verdict, and no verdict for what is not the target",
        both(
            aims("worst-cell", 0.85),
            decisions("a", 1000, 0.5),
            decisions("b", 1000, 0.3),
            outcomes("a", {"111": 360, "001": 40, "000": 360, "110": 40}),
            outcomes("b", {"111": 360, "001": 40, "000": 300, "110": 80, "010": 20}),
        ),
        {
            **one("evenhand:target_base:1d", f'{ALL}, measure="worst-cell"', 0.8),
            **one("evenhand:target_final:1d", f'{ALL}, measure="worst-cell"', 0.75),
            **near("evenhand:target_gain:1d", -0.05),
            **near("evenhand:target_excess:1d", 0.85 - (Rate.of_counts(300, 400).high or 0.0)),
            **one("evenhand:target_verdict:1d", f'{ALL}, measure="worst-cell"', 2),
        },
    ),
]


def test_every_edge_has_a_result_of_its_own(tmp_path: Path) -> None:
    assert_cases(tmp_path, EDGES, windows=("1d",))


def test_effects_of_the_correction_are_those_of_the_service_s_own_page(tmp_path: Path) -> None:
    top, bottom = (
        PairCounts(both=300, gained=90, lost=10, neither=200),
        PairCounts(both=250, gained=20, lost=80, neither=300),
    )
    cells = {
        group: {"111": pairs.both, "011": pairs.gained, "101": pairs.lost, "001": pairs.neither}
        for group, pairs in (("a", top), ("b", bottom))
    }
    up, down = change(top), change(bottom)
    widened = up[0] - down[0] - sqrt((up[0] - up[1]) ** 2 + (down[2] - down[0]) ** 2)
    expects: dict[str, dict[str, float]] = {}
    for group, limits in (("a", up), ("b", down)):
        for side, value in zip(("", "_lower", "_upper"), limits, strict=True):
            expects |= near(f'evenhand:true_positive_rate_change{side}:1d{{group="{group}"}}', value)
        for side, value in zip(("", "_lower", "_upper"), limits, strict=True):
            cell = f'evenhand:cell_accuracy_change{side}:1d{{group="{group}", label="1"}}'
            expects |= near(cell, value)
    for side, value in zip(("", "_lower", "_upper"), change(top + bottom), strict=True):
        expects |= near(f"evenhand:accuracy_of_attribute_change{side}:1d", value)
    expects |= near("evenhand:equal_opportunity_difference_growth_judged:1d", widened)
    assert_cases(
        tmp_path,
        [Case("paired", both(*(outcomes(g, c) for g, c in cells.items())), expects)],
        windows=("1d",),
    )


@pytest.mark.parametrize("name", ["totals", "window", "alerts_service"])
def test_rules_at_their_own_interval(name: str) -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", DEPLOY / f"prometheus/tests/{name}.yml"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_and_alertmanager_take_their_configuration(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    config, key = tmp_path / "prometheus.yml", tmp_path / "key"
    key.write_text("key\n")
    config.write_text(config.read_text().replace("/scrape/key", str(key)))
    for command in (
        ("promtool", "check", "config", config),
        ("promtool", "check", "rules", *sorted(RULES.glob("*.yml"))),
        ("amtool", "check-config", DEPLOY / "alertmanager/alertmanager.yml"),
    ):
        done = subprocess.run([program(str(command[0])), *command[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_recording_rules_are_those_that_the_program_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DEPLOY / "prometheus/make_rules.py", tmp_path], check=True)
    for file in tmp_path.iterdir():
        assert file.read_text() == (RULES / file.name).read_text(), (
            f"run make_rules.py: {file.name} is not current"
        )
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in RULES.glob("[!a]*.yml")}


def alerts() -> dict[str, dict]:
    groups = [
        group for file in RULES.glob("alerts_*.yml") for group in yaml.safe_load(file.read_text())["groups"]
    ]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook"] == f"docs/runbook/{name}.md"
    assert {page.stem for page in RUNBOOK.glob("*.md")} == set(alerts())


def test_every_fairness_alert_is_tested() -> None:
    assert {name for name in alerts() if name.startswith("Fairness")} == set(CASES)
    tested = (DEPLOY / "prometheus/tests/alerts_service.yml").read_text()
    assert all(f'alertname="{name}"' in tested for name in alerts() if name.startswith("Evenhand"))


def test_no_figure_of_fairness_is_extrapolated() -> None:
    for file in RULES.glob("[!a]*.yml"):
        assert not re.search(r"\b(increase|rate|irate|delta)\(", file.read_text())
