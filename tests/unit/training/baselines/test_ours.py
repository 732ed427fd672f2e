"""Our correction in the comparison, on a tiny base: what each kind of knowledge sees, and what a certificate costs."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import tiny_table, write_tiny_base

from evenhand.training.baselines.context import Context, prepare
from evenhand.training.baselines.ours import ABLATIONS, OURS, Ours
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table
from evenhand.training.learning.config import BaseConfig, CorrectionConfig, DetectorConfig, FitConfig

COLUMNS = Columns("text", "label", ("team", "colour"), "split", {"team": "none"}, favourable=("positive",))
BY_NAME = {method.name: method for method in (*OURS, *ABLATIONS)}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("ours")
    config = FitConfig(
        "tiny",
        str(write_tiny_base(folder / "base")),
        COLUMNS,
        base_stage=BaseConfig(epochs=2, hold_out=0.4, max_tokens=16, learning_rate=1e-3),
        detector=DetectorConfig(epochs=3),
        correction=CorrectionConfig(epochs=2, cost=0.02),
    )
    rows, schema = from_table(tiny_table(900), COLUMNS, 0)
    return prepare(config, rows, schema, "digest", folder / "work")


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
    assert seen.notes["taught"] in ("outlier", "benefit")
    assert set(seen.notes["values"]) == {"outlier", "benefit"}


def test_without_a_certificate_there_is_the_base(context: Context) -> None:
    answer = BY_NAME["certified-full"].answer(context)
    base = context.features.base_logits[context.judged].argmax(axis=1)
    if not answer.notes["certified"]:
        assert np.array_equal(answer.predicted, base)
    assert len(answer.notes["trials"]) <= 3


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
    assert len(method.answer(context).predicted) == len(context.judged)
