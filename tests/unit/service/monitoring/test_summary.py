"""From the database's hourly cells to what the page is told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from recording import MANIFEST
from sqlalchemy import Engine, create_engine, insert

from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.reference import Normal
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.audit.tables import META, hourly_decisions, hourly_outcomes, hourly_risk
from evenhand.service.monitoring.cells import Window, read
from evenhand.service.monitoring.schema import FairnessReply
from evenhand.service.monitoring.summary import Facts, summary

NOW = datetime(2026, 5, 4, 10, 20, tzinfo=UTC)
HOUR = int(NOW.timestamp() // 3600)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    META.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def manifest() -> Manifest:
    return MANIFEST


def decided(engine: Engine, hour: int, group: str, n: int, **more: Any) -> None:
    row = {
        "hour": hour, "model": "hate-speech", "attribute": "race", "group": group,
        "source": "declared", "base": 1, "final": 1, "bin": 7, "n": n, "score": 0.75 * n,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(hourly_decisions), [{**row, **more}])


def summary_of(engine: Engine, manifest: Manifest, window: Window, **more: Any) -> dict[str, Any]:
    facts = {
        "modes": dict.fromkeys(manifest.attribute_names, "apply"),
        "limits": {},
        "record": {"state": "on", "spooled": 0},
    }
    reply = summary(
        read(engine, manifest.name, window), Facts(manifest=manifest, window=window, **{**facts, **more})
    )
    FairnessReply.model_validate(reply)
    return reply


def test_hours_of_the_window_are_summed_and_no_others(engine: Engine, manifest: Manifest) -> None:
    for hour, n in ((HOUR, 1), (HOUR - 23, 10), (HOUR - 24, 100), (HOUR + 1, 1000)):
        decided(engine, hour, "none", n)
    decided(engine, HOUR, "none", 5000, model="another")
    window = Window.last(24, NOW)
    reply = summary_of(engine, manifest, window)
    assert reply["window"] == {"from": "2026-05-03T11:00:00Z", "to": "2026-05-04T11:00:00Z", "hours": 24}
    assert reply["attributes"][0]["sources"]["declared"]["rows"] == 11


def test_a_window_between_two_moments_holds_every_hour_that_they_touch() -> None:
    ten = datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert Window.between(ten, ten.replace(hour=12)).facts() == {
        "from": "2026-05-04T10:00:00Z",
        "to": "2026-05-04T12:00:00Z",
        "hours": 2,
    }
    assert Window.between(NOW, NOW).facts()["hours"] == 1
    assert Window.between(ten, ten.replace(hour=12, minute=1)).facts()["hours"] == 3


def test_every_attribute_and_listed_group_is_told_even_without_a_row(
    engine: Engine, manifest: Manifest
) -> None:
    reply = summary_of(engine, manifest, Window.last(1, NOW))
    assert [attribute["attribute"] for attribute in reply["attributes"]] == manifest.attribute_names
    for attribute, of_manifest in zip(reply["attributes"], manifest.attributes, strict=True):
        declared, inferred = attribute["sources"]["declared"], attribute["sources"]["inferred"]
        assert [group["group"] for group in declared["groups"]] == list(of_manifest.groups)
        assert [group["group"] for group in inferred["groups"]] == ["unflagged", "flagged"]
        assert attribute["target"]["verdict"] == "insufficient data"
        assert [metric["metric"] for metric in declared["metrics"] if metric["role"] == "target"] == [
            "worst_cell_accuracy"
        ]
        assert {metric["role"] for metric in inferred["metrics"]} == {"information"}
        assert declared["correction"]["state"] == "insufficient data"
        assert attribute["soft"] is None
        assert attribute["bounds"] is None


def test_sources_are_never_mixed_and_unknown_groups_are_counted_apart(
    engine: Engine, manifest: Manifest
) -> None:
    decided(engine, HOUR, "none", 300)
    decided(engine, HOUR, "African", 300, base=0, final=0)
    decided(engine, HOUR, "unknown", 70)
    decided(engine, HOUR, "flagged", 40, source="inferred")
    race = summary_of(engine, manifest, Window.last(1, NOW))["attributes"][0]
    declared, inferred = race["sources"]["declared"], race["sources"]["inferred"]
    assert (declared["rows"], declared["unknown_rows"], inferred["rows"]) == (670, 70, 40)
    parity = declared["metrics"][0]
    assert (parity["metric"], parity["final"]["value"], parity["verdict"]) == (
        "demographic_parity_difference",
        1.0,
        None,
    )
    assert inferred["metrics"][0]["final"]["among"]["value"] is None


def labelled(engine: Engine, group: str, label: int, n: int, **more: Any) -> None:
    cell = {"hour": HOUR, "model": "hate-speech", "attribute": "race", "group": group}
    answers = {
        "source": "declared",
        "base": 1,
        "final": 1,
        "label": label,
        "bin": 7,
        "n": n,
        "score": 0.75 * n,
    }
    with engine.begin() as connection:
        connection.execute(insert(hourly_outcomes), [{**cell, **answers, **more}])


def targeted(
    manifest: Manifest, measure: Any, limit: float | None = None, attribute: str = "race"
) -> Manifest:
    aim = AttributeTarget(attribute=attribute, measure=measure, limit=limit)
    return manifest.model_copy(update={"target": Target(attributes=[aim], max_loss=0.005, max_cell_loss=0.1)})


@pytest.mark.parametrize(
    ("measure", "limit", "shown", "verdict"),
    [
        ("demographic-parity", None, (0.05, "operator"), "breach"),
        ("demographic-parity", 0.6, (0.6, "bundle"), "no evidence of breach"),
        ("equal-opportunity", 0.1, (0.1, "bundle"), "insufficient data"),
        ("worst-cell", 0.6, (0.6, "bundle"), "no evidence of breach"),
        ("worst-cell", None, (None, None), "insufficient data"),
    ],
)
def test_the_verdict_is_about_the_target_and_its_limit(
    engine: Engine,
    manifest: Manifest,
    measure: str,
    limit: float | None,
    shown: tuple[Any, Any],
    verdict: str,
) -> None:
    """Favourable answers are 50 points apart, true labels are all unfavourable."""
    for group, base, final, n in (("none", 1, 1, 300), ("none", 0, 0, 300), ("African", 0, 0, 300)):
        decided(engine, HOUR, group, n, base=base, final=final)
    labelled(engine, "African", 0, 300, base=0, final=0)
    reply = summary_of(engine, targeted(manifest, measure, limit), Window.last(1, NOW))
    assert (reply["target"]["stated"], reply["target"]["max_loss"]) == (True, 0.005)
    race, religion = reply["attributes"][:2]
    target = race["target"]
    assert (target["measure"], target["limit"], target["limit_from"], target["verdict"]) == (
        measure, *shown, verdict,
    )  # fmt: skip
    metric = next(each for each in race["sources"]["declared"]["metrics"] if each["role"] == "target")
    assert (metric["metric"], metric["verdict"], metric["why"]) == (target["figure"], verdict, target["why"])
    assert religion["target"] is None
    assert {each["role"] for each in religion["sources"]["declared"]["metrics"]} == {"information"}


def test_groups_that_are_behind_the_limit_are_named(engine: Engine, manifest: Manifest) -> None:
    decided(engine, HOUR, "none", 300)
    decided(engine, HOUR, "African", 300, base=0, final=0)
    decided(engine, HOUR, "Arab", 300)
    parity = summary_of(engine, targeted(manifest, "demographic-parity"), Window.last(1, NOW))
    assert parity["attributes"][0]["target"]["behind"] == ["African"]
    labelled(engine, "Arab", 0, 200)
    labelled(engine, "none", 1, 200)
    cells = summary_of(engine, targeted(manifest, "worst-cell", 0.6), Window.last(1, NOW))
    target = cells["attributes"][0]["target"]
    assert (target["verdict"], target["behind"]) == ("breach", ["Arab"])
    assert "“Arab” with true label “hate” 0.0 % are answered right" in target["why"]


def test_an_earlier_bundle_aimed_at_the_worst_cell_and_validation_says_what_to_expect(
    engine: Engine, manifest: Manifest
) -> None:
    assert manifest.target is None
    decided(engine, HOUR, "none", 300)
    labelled(engine, "none", 1, 90)
    labelled(engine, "none", 1, 30, base=0, final=0)
    normal = {"race": Normal(None, (), None, worst_cell_accuracy=0.9)}
    reply = summary_of(engine, manifest, Window.last(1, NOW), normal=normal)
    assert reply["target"]["stated"] is False
    assert reply["target"]["words"] == "worst cell of race and religion and gender and orientation"
    target = reply["attributes"][0]["target"]
    assert (target["limit"], target["limit_from"]) == (pytest.approx(0.85), "validation")
    assert (target["final"]["value"], target["verdict"]) == (0.75, "breach")
    assert reply["attributes"][1]["target"]["limit"] is None


def test_a_target_over_an_intersection_is_judged_like_that_of_an_attribute(
    engine: Engine, manifest: Manifest
) -> None:
    both = {"attribute": "race:gender"}
    labelled(engine, "not both", 1, 400, **both)
    labelled(engine, "African & Women", 1, 300, final=0, **both)
    decided(engine, HOUR, "not both", 400, **both)
    decided(engine, HOUR, "African & Women", 300, **both)
    decided(engine, HOUR, "unknown", 20, **both)
    risked(engine, 1000)
    reply = summary_of(engine, targeted(manifest, "worst-cell", 0.5, "race:gender"), Window.last(1, NOW))
    assert reply["target"]["not_watched"] == []
    assert [attribute["target"] for attribute in reply["attributes"][:4]] == [None] * 4
    crossed = reply["attributes"][4]
    assert (crossed["target"]["limit"], crossed["target"]["verdict"]) == (0.5, "breach")
    assert crossed["target"]["behind"] == ["African & Women"]
    assert (crossed["sources"]["declared"]["unknown_rows"], crossed["intersection"]["left_out"]) == (20, 280)


def test_a_target_that_the_service_cannot_count_by_says_why(engine: Engine, manifest: Manifest) -> None:
    reply = summary_of(engine, targeted(manifest, "worst-cell", 0.5, "race:team"), Window.last(1, NOW))
    (uncounted,) = reply["target"]["not_watched"]
    assert uncounted["attribute"] == "race:team"
    assert uncounted["why"].startswith(
        "The service counts by race, religion, gender, orientation and by pairs"
    )
    assert [attribute["target"] for attribute in reply["attributes"]] == [None] * 4


def test_what_the_correction_does_over_all_rows_is_said_once(engine: Engine, manifest: Manifest) -> None:
    decided(engine, HOUR, "none", 150, base=0)
    decided(engine, HOUR, "flagged", 50, source="inferred", base=0)
    labelled(engine, "none", 1, 100, base=0)
    labelled(engine, "flagged", 0, 20, source="inferred", base=0)
    row = {"hour": HOUR, "model": manifest.name, "base": 0, "final": 1, "bin": 2, "n": 200}
    sums = {"attribute": "race", "risk": 40.0, "risk_squared": 8.0}
    with engine.begin() as connection:
        connection.execute(insert(hourly_risk), [{**row, **sums}])
    effect = summary_of(engine, manifest, Window.last(1, NOW))["correction"]
    assert effect["over"] == "all rows"
    assert [effect[name] for name in ("rows", "labels", "changed", "mended", "broken")] == [
        200,
        120,
        200,
        100,
        20,
    ]
    decided(engine, HOUR - 1, "none", 50, base=0)  # 50 whose group was declared after their answer
    effect = summary_of(engine, manifest, Window.last(2, NOW))["correction"]
    assert (effect["over"], effect["labels"], effect["rows"]) == ("rows with a declared race", 100, 200)


def risked(engine: Engine, n: int) -> None:
    row = {"hour": HOUR, "model": "hate-speech", "base": 1, "final": 1, "bin": 2, "n": n}
    with engine.begin() as connection:
        for name in ("race", "religion", "gender", "orientation"):
            sums = {"attribute": name, "risk": 0.2 * n, "risk_squared": 0.04 * n}
            connection.execute(insert(hourly_risk), [{**row, **sums}])


def abstains(manifest: Manifest) -> Manifest:
    first, *others = manifest.attributes
    return manifest.model_copy(
        update={"attributes": [first.model_copy(update={"abstain_below": 0.8}), *others]}
    )


def test_a_model_that_never_abstains_is_told_nothing_about_it(engine: Engine, manifest: Manifest) -> None:
    decided(engine, HOUR, "none", 300)
    reply = summary_of(engine, manifest, Window.last(1, NOW))
    assert reply["abstention"] is None
    for attribute in reply["attributes"]:
        for source in attribute["sources"].values():
            assert source["abstained"] is None
            assert {group["abstained"] for group in source["groups"]} == {None}
            assert "abstention_rate_difference" not in {metric["metric"] for metric in source["metrics"]}


def test_abstentions_are_shown_apart_and_change_no_other_figure(engine: Engine, manifest: Manifest) -> None:
    decided(engine, HOUR, "none", 300)
    decided(engine, HOUR, "African", 200, base=0, final=0)
    decided(engine, HOUR, "unknown", 50)
    decided(engine, HOUR, "flagged", 40, source="inferred")
    risked(engine, 590)
    before = summary_of(engine, abstains(manifest), Window.last(1, NOW))
    decided(engine, HOUR, "none", 30, source="declared, abstained")
    decided(engine, HOUR, "African", 80, source="declared, abstained", base=0, final=0)
    decided(engine, HOUR, "unknown", 5, source="declared, abstained")
    decided(engine, HOUR, "flagged", 10, source="inferred, abstained")
    decided(engine, HOUR, "all", 100, source="abstained")
    decided(engine, HOUR, "all", 25, source="abstained", attribute="religion")
    reply = summary_of(engine, abstains(manifest), Window.last(1, NOW))
    share = reply["abstention"]["abstained"]
    assert (share["n"], share["value"]) == (590, 125 / 590)
    assert reply["abstention"]["attributes"] == {"race": 100, "religion": 25}
    race = reply["attributes"][0]["sources"]
    shares = {group["group"]: group["abstained"]["value"] for group in race["declared"]["groups"]}
    assert (shares["none"], shares["African"], shares["Arab"]) == (0.1, 0.4, None)
    assert (race["declared"]["abstained"]["n"], race["declared"]["abstained"]["value"]) == (550, 115 / 550)
    assert race["inferred"]["groups"][1]["abstained"]["value"] == 0.25
    metric = race["declared"]["metrics"][-1]
    assert (metric["metric"], metric["verdict"], metric["groups"]) == (
        "abstention_rate_difference", None, ["African", "none"],
    )  # fmt: skip
    assert metric["final"]["value"] == pytest.approx(0.3)
    assert metric["base"]["value"] == 0.0
    assert "10.0 % of “none” and 40.0 % of “African” get no decision" in metric["why"]
    assert _without_abstentions(reply) == _without_abstentions(before)


def _without_abstentions(reply: dict[str, Any]) -> Any:
    """All other figures."""

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            return {
                name: kept(value) for name, value in part.items() if name not in ("abstained", "abstention")
            }
        if isinstance(part, list):
            return [kept(each) for each in part if not _is_abstention(each)]
        return part

    return kept(reply)


def _is_abstention(part: Any) -> bool:
    return isinstance(part, dict) and part.get("metric") == "abstention_rate_difference"


def test_one_that_abstained_under_an_earlier_version_is_still_told(
    engine: Engine, manifest: Manifest
) -> None:
    decided(engine, HOUR, "none", 300)
    decided(engine, HOUR, "all", 3, source="abstained")
    risked(engine, 300)
    assert summary_of(engine, manifest, Window.last(1, NOW))["abstention"]["abstained"]["value"] == 0.01


def test_labels_risks_evidence_and_limits_arrive(engine: Engine, manifest: Manifest) -> None:
    decided(engine, HOUR, "none", 300)
    with engine.begin() as connection:
        cell = {"hour": HOUR, "model": manifest.name, "attribute": "race", "base": 1, "final": 0}
        labelled = {
            **cell,
            "group": "none",
            "source": "declared",
            "label": 1,
            "bin": 7,
            "n": 120,
            "score": 90.0,
        }
        connection.execute(insert(hourly_outcomes), [labelled])
        connection.execute(
            insert(hourly_risk), [{**cell, "bin": 2, "n": 8, "risk": 2.0, "risk_squared": 0.5}]
        )
    evidence = {
        "model": manifest.name, "attribute": "race", "group": "African", "metric": "demographic_parity",
        "process": "detector", "role": "information", "ln": 1.0, "limit_ln": 9.9, "rows": 12,
        "state": None, "sentence": "x",
    }  # fmt: skip
    reply = summary_of(
        engine,
        manifest,
        Window.last(1, NOW),
        limits={"rows": 50.0, "unknown_share": 0.2},
        evidence=[evidence],
    )
    assert reply["limits"]["rows"] == 50.0
    assert reply["limits"]["gap"] == 0.05
    race, religion = reply["attributes"][:2]
    assert [entry["group"] for entry in race["evidence"]] == ["African"]
    assert religion["evidence"] == []
    reference = race["sources"]["declared"]["groups"][0]
    assert (reference["labels"], reference["label_coverage"]) == (120, 0.4)
    assert reference["accuracy"]["base"]["value"] == 1.0
    assert reference["accuracy"]["final"]["value"] == 0.0
    assert reference["expected"]["accuracy"]["final"]["value"] == pytest.approx(1.0)
    assert race["sources"]["declared"]["correction"]["state"] == "breach"
    assert race["soft"]["rows"] == 8
    assert race["bounds"]["final"] == {"low": 0.0, "high": 0.0}
