"""Correctors in the comparison, on a tiny base: found by themselves, chosen as ours are, told when not applicable."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_model import tiny_table, write_tiny_base

from evenhand.training.baselines import coverage
from evenhand.training.baselines.context import Context, prepare
from evenhand.training.baselines.gated import ELSEWHERE, GATED, lines_of
from evenhand.training.baselines.index import METHODS
from evenhand.training.baselines.method import NotApplicableError
from evenhand.training.correctors import correctors
from evenhand.training.correctors.interface import CorrectorMethod
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table
from evenhand.training.learning.config import BaseConfig, CorrectionConfig, DetectorConfig, FitConfig

COLUMNS = Columns("text", "label", ("team",), "split", {"team": "none"}, favourable=("positive",))
BY_NAME = {method.name: method for method in GATED}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("gated")
    config = FitConfig(
        "tiny",
        str(write_tiny_base(folder / "base")),
        COLUMNS,
        base_stage=BaseConfig(epochs=2, hold_out=0.4, max_tokens=16, learning_rate=1e-3),
        detector=DetectorConfig(epochs=3),
        correction=CorrectionConfig(epochs=1, cost=0.02),
    )
    rows, schema = from_table(tiny_table(900), COLUMNS, 0)
    return prepare(config, rows, schema, "digest", folder / "work")


def base_of(context: Context) -> np.ndarray:
    return context.features.base_logits[context.judged].argmax(axis=1)


def test_every_corrector_has_its_row_and_some_have_one_on_every_row() -> None:
    assert {method.name for method in GATED if method.name.startswith("gated-")} == {
        f"gated-{name}" for name in correctors() if name not in ELSEWHERE
    }
    assert {name for name in BY_NAME if name.startswith("always-")} == {
        "always-steering",
        "always-leace",
        "always-inlp",
    }
    assert set(BY_NAME) <= {method.name for method in METHODS}
    assert {str(method.sees) for method in GATED} == {"all/all/no"}
    assert {method.served.how for method in GATED} == {"corrector"}


def test_no_two_rows_share_a_result() -> None:
    assert len({method.key for method in GATED}) == len(GATED)


@pytest.mark.parametrize("method", GATED, ids=lambda method: method.name)
def test_it_answers_flagged_rows_only_and_looks_at_no_test_row(context: Context, method) -> None:
    answer = method.answer(context)
    hidden = np.where(context.rows.split == "test", -1, context.rows.groups["team"])
    blind = replace(context, rows=replace(context.rows, groups={"team": hidden}), cache={})
    assert np.array_equal(answer.predicted, method.answer(blind).predicted)
    assert answer.cost is not None
    assert answer.cost >= 1.0
    json.dumps(answer.notes, allow_nan=False)
    if method.name.startswith("always-"):
        assert answer.notes["levels"] in (["always"], [0.0])


def test_abstaining_changes_no_label_and_tells_whom_it_answers(context: Context) -> None:
    answer = BY_NAME["gated-abstain"].answer(context)
    assert np.array_equal(answer.predicted, base_of(context))
    told = answer.notes["answered"]
    assert set(told) == {"val", "test"}
    for split in told:
        assert list(told[split]["team"]) == list(context.schema.groups["team"])
        rows = context.rows.split[context.judged] == split
        assert sum(group["rows"] for group in told[split]["team"].values()) == rows.sum()


def test_coverage_and_accuracy_are_of_what_is_answered(context: Context) -> None:
    base, judged = base_of(context), context.judged
    logits = context.features.base_logits[judged].astype(np.float64)
    probability = 1.0 / (1.0 + np.exp(-abs(logits[:, 0] - logits[:, 1])))
    bound = float(np.median(probability))
    everywhere = np.ones((len(judged), 1), dtype=bool)
    withheld = coverage.abstained(context, everywhere, (bound,))
    assert np.array_equal(withheld, probability < bound)
    assert not coverage.abstained(context, ~everywhere, (bound,)).any()
    told = coverage.per_group(context, base, ~withheld)["test"]["team"]["none"]
    inside = (context.rows.split[judged] == "test") & (context.rows.groups["team"][judged] == 0)
    right = (base == context.rows.labels[judged])[inside & ~withheld]
    assert told["coverage"] == round(len(right) / inside.sum(), 4)
    assert told["accuracy"] == round(right.mean(), 4)
    nobody = coverage.per_group(context, base, np.zeros(len(judged), dtype=bool))["test"]["team"]["none"]
    assert (nobody["coverage"], nobody["accuracy"]) == (0.0, None)


def test_what_is_not_defined_here_fails_with_the_comparisons_reason(context: Context) -> None:
    unknown = {"team": np.where(context.rows.groups["team"] == 0, 0, -1)}
    one_group = replace(
        context, rows=replace(context.rows, groups=unknown), folder=context.folder / "one", cache={}
    )
    with pytest.raises(NotApplicableError, match="fewer than two groups"):
        BY_NAME["gated-leace"].answer(one_group)


def test_a_new_corrector_has_rows_without_a_line_here() -> None:
    leace = correctors()["leace"]
    new = CorrectorMethod("new", "New", "somebody", leace.make, leace.learn, always=True)
    assert [line.name for line in lines_of(new)] == ["gated-new", "always-new"]
