"""A target over an intersection: the record, Prometheus, the evidence and the trend count the same rows.

What they count is checked against Fairlearn, which groups the rows itself, by two sensitive features.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import evaluating
import numpy as np
import pandas as pd
import pytest
from evaluating import BAD, GOOD, KEYS, finish
from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate
from prometheus_client import CollectorRegistry
from sklearn.metrics import accuracy_score

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.audit import events, record_batch
from evenhand.service.audit.events import AnsweredRows, Configuration
from evenhand.service.audit.feedback import Feedback, Joiner
from evenhand.service.audit.store import Store, append
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.monitoring.cells import Window, read
from evenhand.service.monitoring.schema import FairnessReply
from evenhand.service.monitoring.sequential.evaluator import Evaluator
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings
from evenhand.service.monitoring.sequential.verdicts import Kept, findings
from evenhand.service.monitoring.summary import Facts, summary
from evenhand.service.monitoring.trend import TrendFacts, pooled, trend
from evenhand.service.monitoring.trend_rows import read_trend
from evenhand.service.types import Answer, Decision, Row

NAME = "sex:age"
AIM = AttributeTarget(attribute=NAME, measure="equal-opportunity", limit=0.1)
MANIFEST = evaluating.MANIFEST.model_copy(update={"target": Target(attributes=[AIM], max_loss=0.01)})
CONFIGURATION = events.configuration(MANIFEST, "b" * 64)
HOUR_MS = 3_600_000
ROWS = 1200


@dataclass
class Case:
    """A decision, and what is true of it."""

    row: Row
    sex: str
    age: str
    truth: bool | None
    at_once: tuple[str, ...]
    """What the request declares; what follows is declared later, or never."""
    later: tuple[str, ...]

    @property
    def declares_both(self) -> bool:
        return {"sex", "age"} <= {*self.at_once, *self.later}

    def answer(self, side: str) -> bool:
        assert isinstance(self.row.result, Decision)
        return bool(getattr(self.row.result, side).favourable)


def cases(seed: int = 0) -> list[Case]:
    chance, made = random.Random(seed), []
    for _ in range(ROWS):
        sex, age = chance.choice(["men", "women"]), chance.choice(["mid", "old", "young"])
        truth = chance.random() < 0.5
        wrong = 0.4 if (sex, age) == ("women", "old") else 0.1
        base, final = (truth != (chance.random() < share) for share in (wrong, wrong / 2))
        at_once = tuple(name for name in ("sex", "age") if chance.random() < 0.7)
        later = tuple(name for name in ("sex", "age") if name not in at_once and chance.random() < 0.7)
        declared = {name: {"sex": sex, "age": age}[name] for name in at_once}
        one = evaluating.row(final, **declared)
        label = GOOD if base else BAD
        assert isinstance(one.result, Decision)
        result = replace(one.result, base=Answer(label, {GOOD: float(base), BAD: float(not base)}, base))
        label = truth if chance.random() < 0.7 else None
        made.append(Case(replace(one, result=result), sex, age, label, at_once, later))
    return made


def feedback(of: list[Case], seed: int = 1) -> list[Feedback]:
    """Labels and later groups as items of their own, in any order."""
    items = [Feedback(each.row.id, GOOD if each.truth else BAD) for each in of if each.truth is not None]
    for each in of:
        items += [Feedback(each.row.id, None, {name: getattr(each, name)}) for name in each.later]
    random.Random(seed).shuffle(items)
    return items


class Served:
    """A record of these decisions, and the counters of the process that answered."""

    def __init__(self, folder: Path, of: list[Case], configuration: Configuration = CONFIGURATION) -> None:
        self.store = Store(f"sqlite:///{folder / 'record.db'}", KEYS.fingerprint)
        self.store.open()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.metrics.add_model(MANIFEST, "hash", live=True, normal={})
        at_ms = time.time_ns() // 1_000_000
        for start in range(0, len(of), 100):
            rows = [each.row for each in of[start : start + 100]]
            batch = AnsweredRows(MANIFEST, configuration, rows, at_ms, 0.01, "r1")
            with self.store.writing() as connection:
                append(connection, record_batch.make([batch], KEYS))
            for row in rows:
                self.metrics.fairness.decision(MANIFEST, row)
        joiner = Joiner(self.store, KEYS, 90, lambda: None)
        for joined in joiner.join(feedback(of)):
            assert joined.result == "joined"
            assert joined.counted is not None
            self.metrics.fairness.joined(joined.counted)
        self.metrics.flush()
        hour = at_ms // HOUR_MS
        self.window = Window(hour, hour + 2)

    def fairness(self) -> dict[str, Any]:
        modes: Any = dict.fromkeys(MANIFEST.attribute_names, "apply")
        record = {"state": "on", "spooled": 0}
        cells = read(self.store.engine, MANIFEST.name, self.window)
        reply = summary(cells, Facts(MANIFEST, modes, self.window, {"rows": 30.0}, record))
        FairnessReply.model_validate(reply)
        return reply

    def samples(self, name: str) -> Counter[tuple[str, ...]]:
        """Numbers of rows by group and the other labels, of the intersection."""
        counts: Counter[tuple[str, ...]] = Counter()
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name == name and sample.labels["attribute"] == NAME and sample.value:
                    labels = sample.labels
                    assert labels["source"] == "declared"
                    key = [labels["group"], labels["base"], labels["final"]]
                    counts[(*key, labels["label"]) if "label" in labels else tuple(key)] += int(sample.value)
        return counts


@pytest.fixture(scope="module")
def people() -> list[Case]:
    return cases()


@pytest.fixture(scope="module")
def served(people: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("served"), people)


def by_hand(people: list[Case]) -> list[tuple[str, Case]]:
    """Every counted decision with its group."""
    return [
        ("not both" if one.sex == "men" or one.age == "mid" else f"{one.sex} & {one.age}", one)
        for one in people
        if one.declares_both
    ]


def entry_of(reply: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = next(each for each in reply["attributes"] if each["attribute"] == NAME)
    return entry


def test_the_figures_are_those_of_fairlearn_over_two_sensitive_features(
    people: list[Case], served: Served
) -> None:
    entry = entry_of(served.fairness())
    groups = {each["group"]: each for each in entry["sources"]["declared"]["groups"]}
    labelled = [one for one in people if one.declares_both and one.truth is not None]
    features = pd.DataFrame([{"sex": one.sex, "age": one.age} for one in labelled])
    both = (features["sex"] == "women") & (features["age"] != "mid")
    for side in ("base", "final"):
        columns = {
            "metrics": {
                "true_positive_rate": true_positive_rate,
                "false_positive_rate": false_positive_rate,
                "accuracy": accuracy_score,
                "n": count,
            },
            "y_true": np.array([one.truth for one in labelled]),
            "y_pred": np.array([one.answer(side) for one in labelled]),
        }
        pairs = MetricFrame(**columns, sensitive_features=features).by_group
        whole = MetricFrame(**columns, sensitive_features=both.rename("both")).by_group
        expected = {f"women & {age}": pairs.loc["women", age] for age in ("old", "young")}
        expected["not both"] = whole.loc[False]
        for group, of in expected.items():
            assert groups[group]["labels"] == of["n"]
            for rate in ("true_positive_rate", "false_positive_rate", "accuracy"):
                assert groups[group][rate][side]["value"] == pytest.approx(of[rate], abs=1e-12)
        rates = [of["true_positive_rate"] for of in expected.values()]
        gap = max(rates) - min(rates)
        assert entry["target"][side]["value"] == pytest.approx(gap, abs=1e-12)
    every = [one for one in people if one.declares_both]
    frame = MetricFrame(
        metrics={"selected": selection_rate, "n": count},
        y_true=[True] * len(every),
        y_pred=np.array([one.answer("final") for one in every]),
        sensitive_features=pd.DataFrame([{"sex": one.sex, "age": one.age} for one in every]),
    ).by_group
    for age in ("old", "young"):
        of, shown = frame.loc["women", age], groups[f"women & {age}"]
        assert (shown["rows"], shown["selection_rate"]["final"]["value"]) == (
            of["n"],
            pytest.approx(of["selected"]),
        )


def test_the_target_is_judged_with_its_limit_and_says_what_is_left_out(
    people: list[Case], served: Served
) -> None:
    reply = served.fairness()
    assert reply["target"]["not_watched"] == []
    assert [each["attribute"] for each in reply["attributes"]] == ["sex", "age", NAME]
    entry, counted = entry_of(reply), sum(one.declares_both for one in people)
    assert (entry["target"]["limit"], entry["target"]["limit_from"]) == (0.1, "bundle")
    assert entry["target"]["verdict"] != "insufficient data"
    assert entry["intersection"]["of"] == ["sex", "age"]
    assert (entry["sources"]["declared"]["rows"], entry["intersection"]["left_out"]) == (
        counted,
        ROWS - counted,
    )
    assert "both sex and age are declared" in entry["intersection"]["why"]
    for nothing in ("mode", "threshold", "soft", "bounds"):
        assert entry[nothing] is None
    assert (entry["sources"]["inferred"]["rows"], entry["sources"]["inferred"]["groups"]) == (0, [])
    # An intersection stands for no rows of its own.
    assert reply["correction"]["over"] in ("all rows", "rows with a declared sex", "rows with a declared age")


def test_prometheus_counts_the_same_rows(people: list[Case], served: Served) -> None:
    decided, labelled = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for group, one in by_hand(people):
        bits = str(int(one.answer("base"))), str(int(one.answer("final")))
        decided[group, *bits] += 1
        if one.truth is not None:
            labelled[group, *bits, str(int(one.truth))] += 1
    assert served.samples("evenhand_decisions_total") == decided
    assert served.samples("evenhand_outcomes_total") == labelled


def test_the_evidence_reads_the_same_rows(people: list[Case], served: Served) -> None:
    kept: list[Kept] = []
    evaluator = Evaluator(served.store.engine, KEYS, EvidenceSettings(), 0.05, kept.extend)
    shop: Any = evaluating.Shop.__new__(evaluating.Shop)
    shop.store = served.store
    shop.url = str(served.store.engine.url)
    finish(evaluator, shop)
    states = shop.states()
    counts = Counter((group, one.truth) for group, one in by_hand(people))
    for group in ("women & old", "women & young"):
        all_of = {
            name: sum(counts[name, truth] for truth in (True, False, None)) for name in (group, "not both")
        }
        assert states[NAME, group, "demographic_parity"]["rows"] == [all_of["not both"], all_of[group]]
        for metric, truth in (("true_positive_rate", True), ("false_positive_rate", False)):
            assert states[NAME, group, metric]["rows"] == [counts["not both", truth], counts[group, truth]]
    assert states[NAME, "women & old", "true_positive_rate"]["gap"] == 0.1
    planned = len({(name, group) for name, group, _ in states})
    assert planned == 1 + 2 + 2
    evaluator.close()
    entries = findings(kept, MANIFEST.name, MANIFEST.counted, EvidenceSettings(), {})
    assert {entry["group"] for entry in entries if entry["attribute"] == NAME} == {
        "women & old",
        "women & young",
    }


def test_the_trend_is_of_the_same_rows_in_decisions_and_in_hourly_counts(
    people: list[Case], served: Served
) -> None:
    expected = Counter[tuple[Any, ...]]()
    for group, one in by_hand(people):
        bits = one.answer("base"), one.answer("final")
        expected[NAME, group, None, *bits] += 1
        if one.truth is not None:
            expected[NAME, group, one.truth, *bits] += 1
    hour = served.window.first
    for window in (served.window, Window(hour - 20, hour + 2)):
        counts, marks = read_trend(served.store.engine, KEYS, MANIFEST.name, window)
        of = {key: n for key, n in pooled(counts.buckets).items() if key[0] == NAME}
        assert of == expected
        reply = trend(counts, marks, TrendFacts(MANIFEST, window, 0.05, {"state": "on", "spooled": 0}))
        (shown,) = reply["attributes"]
        assert (shown["attribute"], shown["why"], shown["limit"]) == (NAME, None, 0.1)
        assert shown["whole"]["final"]["value"] == entry_of(served.fairness())["target"]["final"]["value"]


def test_what_an_earlier_version_answered_is_left_out_whatever_comes_later(
    people: list[Case], tmp_path: Path
) -> None:
    """Its decisions were not counted by both, so that their labels and later groups are not, either."""
    earlier = Configuration("e" * 64, CONFIGURATION.body.replace(f',"intersections":["{NAME}"]', ""))
    assert earlier.body != CONFIGURATION.body
    only = [
        replace(one, row=replace(one.row, declared={}), at_once=(), later=("sex", "age"))
        for one in people[:50]
    ]
    of = Served(tmp_path, only, earlier)
    entry = entry_of(of.fairness())
    assert (entry["sources"]["declared"]["rows"], entry["intersection"]["left_out"]) == (0, 50)
    assert entry["sources"]["declared"]["correction"]["labels"] == 0
    assert entry["target"]["verdict"] == "insufficient data"
    assert not of.samples("evenhand_outcomes_total")
