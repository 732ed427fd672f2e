"""Correction lines of the comparison on a tiny base: what each sees, how it is chosen, what it answers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_table, write_tiny_base

from evenhand.training.baselines.base import Context, prepare
from evenhand.training.baselines.index import METHODS
from evenhand.training.baselines.ours import (
    ABLATIONS,
    ELSEWHERE,
    GATED,
    OURS,
    Ours,
    abstained,
    lines_of,
    per_group,
)
from evenhand.training.choice.select import AMBITIONS
from evenhand.training.correctors import correctors
from evenhand.training.correctors.interface import CorrectorMethod, NotApplicableError
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table
from evenhand.training.learning.config import (
    BaseConfig,
    CorrectionConfig,
    DetectorConfig,
    FitConfig,
    TargetConfig,
)

COLUMNS = Columns("text", "label", ("team", "colour"), "split", {"team": "none"}, favourable=("positive",))
BY_NAME = {method.name: method for method in (*OURS, *ABLATIONS)}
GATED_BY_NAME = {method.name: method for method in GATED}


def prepared(folder: Path, columns: Columns, epochs: int) -> Context:
    config = FitConfig(
        "tiny",
        str(write_tiny_base(folder / "base")),
        columns,
        base_stage=BaseConfig(epochs=2, hold_out=0.4, max_tokens=16, learning_rate=1e-3),
        detector=DetectorConfig(epochs=3),
        correction=CorrectionConfig(epochs=epochs, target=TargetConfig(max_loss=0.02)),
    )
    rows, schema = from_table(tiny_table(900), columns, 0)
    return prepare(config, rows, schema, "digest", folder / "work")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return prepared(tmp_path_factory.mktemp("ours"), COLUMNS, 2)


@pytest.fixture(scope="module")
def one_attribute(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return prepared(tmp_path_factory.mktemp("gated"), replace(COLUMNS, attributes=("team",)), 1)


def blinded(context: Context, share_of: tuple[str, ...]) -> Context:
    """The same rows with the attributes of some splits hidden, and nothing shared with the other."""
    gone = np.isin(context.rows.split, share_of)
    groups = {name: np.where(gone, -1, codes) for name, codes in context.rows.groups.items()}
    return replace(
        context, rows=replace(context.rows, groups=groups), folder=context.folder / "blind", cache={}
    )


def test_the_attributes_of_test_rows_are_never_looked_at(context: Context) -> None:
    seen, unseen = (BY_NAME["ours-full"].answer(each) for each in (context, blinded(context, ("test",))))
    assert np.array_equal(seen.predicted, unseen.predicted)
    assert set(seen.notes) >= {"taught", "strength", "levels", "certified"}


def test_without_labels_training_rows_attributes_are_never_looked_at(context: Context) -> None:
    blind = blinded(context, ("train", "held", "tune"))
    seen, unseen = (BY_NAME["ours-none"].answer(each) for each in (context, blind))
    assert np.array_equal(seen.predicted, unseen.predicted)
    assert set(seen.notes["values"]) >= {"outlier", "benefit"}
    assert seen.notes["taught"] in seen.notes["values"]


def test_without_a_certificate_there_is_the_base(context: Context) -> None:
    answer = BY_NAME["certified-full"].answer(context)
    base = context.features.base_logits[context.scored].argmax(axis=1)
    if not answer.notes["certified"]:
        assert np.array_equal(answer.predicted, base)
    assert len(answer.notes["trials"]) <= len(AMBITIONS)


@pytest.mark.parametrize("name", ["ours-no-contrast", "ours-layer-1", "ours-shared", "ours-mean-pooling"])
def test_an_ablation_changes_one_thing(context: Context, name: str) -> None:
    method = BY_NAME[name]
    assert isinstance(method, Ours)
    usual, changed = context.config, method.config(context.config)
    different = [
        (stage, key)
        for stage in ("detector", "correction")
        for key, value in vars(getattr(changed, stage)).items()
        if value != getattr(getattr(usual, stage), key)
    ]
    assert len(different) == 1
    assert len(method.answer(context).predicted) == len(context.scored)


def base_of(context: Context) -> np.ndarray:
    return context.features.base_logits[context.scored].argmax(axis=1)


def test_every_corrector_has_its_row_and_some_have_one_on_every_row() -> None:
    assert {method.name for method in GATED if method.name.startswith("gated-")} == {
        f"gated-{name}" for name in correctors() if name not in ELSEWHERE
    }
    assert {name for name in GATED_BY_NAME if name.startswith("always-")} == {
        "always-steering",
        "always-leace",
        "always-inlp",
    }
    assert set(GATED_BY_NAME) <= {method.name for method in METHODS}
    assert {str(method.sees) for method in GATED} == {"all/all/no"}
    assert {method.served.how for method in GATED} == {"corrector"}


def test_no_two_rows_share_a_result() -> None:
    assert len({method.key for method in GATED}) == len(GATED)


@pytest.mark.parametrize("method", GATED, ids=lambda method: method.name)
def test_it_answers_flagged_rows_only_and_looks_at_no_test_row(one_attribute: Context, method) -> None:
    answer = method.answer(one_attribute)
    hidden = np.where(one_attribute.rows.split == "test", -1, one_attribute.rows.groups["team"])
    blind = replace(one_attribute, rows=replace(one_attribute.rows, groups={"team": hidden}), cache={})
    assert np.array_equal(answer.predicted, method.answer(blind).predicted)
    assert answer.cost is not None
    assert answer.cost >= 1.0
    json.dumps(answer.notes, allow_nan=False)
    if method.name.startswith("always-"):
        assert answer.notes["levels"] in (["always"], [0.0])


def test_abstaining_changes_no_label_and_tells_whom_it_answers(one_attribute: Context) -> None:
    answer = GATED_BY_NAME["gated-abstain"].answer(one_attribute)
    assert np.array_equal(answer.predicted, base_of(one_attribute))
    answered = answer.notes["answered"]
    assert set(answered) == {"val", "test"}
    for split in answered:
        assert list(answered[split]["team"]) == list(one_attribute.schema.groups["team"])
        rows = one_attribute.rows.split[one_attribute.scored] == split
        assert sum(group["rows"] for group in answered[split]["team"].values()) == rows.sum()


def test_coverage_and_accuracy_are_of_what_is_answered(one_attribute: Context) -> None:
    base, scored = base_of(one_attribute), one_attribute.scored
    logits = one_attribute.features.base_logits[scored].astype(np.float64)
    probability = 1.0 / (1.0 + np.exp(-abs(logits[:, 0] - logits[:, 1])))
    bound = float(np.median(probability))
    everywhere = np.ones((len(scored), 1), dtype=bool)
    withheld = abstained(one_attribute, everywhere, (bound,))
    assert np.array_equal(withheld, probability < bound)
    assert not abstained(one_attribute, ~everywhere, (bound,)).any()
    covered = per_group(one_attribute, base, ~withheld)["test"]["team"]["none"]
    inside = (one_attribute.rows.split[scored] == "test") & (one_attribute.rows.groups["team"][scored] == 0)
    right = (base == one_attribute.rows.labels[scored])[inside & ~withheld]
    assert covered["coverage"] == round(len(right) / inside.sum(), 4)
    assert covered["accuracy"] == round(right.mean(), 4)
    nobody = per_group(one_attribute, base, np.zeros(len(scored), dtype=bool))["test"]["team"]["none"]
    assert (nobody["coverage"], nobody["accuracy"]) == (0.0, None)


def test_what_is_not_defined_here_fails_with_the_comparisons_reason(one_attribute: Context) -> None:
    unknown = {"team": np.where(one_attribute.rows.groups["team"] == 0, 0, -1)}
    one_group = replace(
        one_attribute,
        rows=replace(one_attribute.rows, groups=unknown),
        folder=one_attribute.folder / "one",
        cache={},
    )
    with pytest.raises(NotApplicableError, match="fewer than two groups"):
        GATED_BY_NAME["gated-leace"].answer(one_group)


def test_a_new_corrector_has_rows_without_a_line_here() -> None:
    leace = correctors()["leace"]
    new = CorrectorMethod("new", "New", "somebody", leace.make, leace.learn, always=True)
    assert [line.name for line in lines_of(new)] == ["gated-new", "always-new"]
