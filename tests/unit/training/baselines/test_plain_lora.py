"""FairNet as published and LoRA always on, on a tiny base: gates are what each kind of knowledge says."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import tiny_table, write_tiny_base

from evenhand.training.baselines.base import Context, prepare
from evenhand.training.baselines.plain_lora import ANY, FAIRNET, AlwaysOn, PublishedCorrection, published
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table
from evenhand.training.learning.config import BaseConfig, CorrectionConfig, DetectorConfig, FitConfig

COLUMNS = Columns("text", "label", ("team", "colour"), "split", {"team": "none"}, favourable=("positive",))


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("lora")
    config = FitConfig(
        "tiny",
        str(write_tiny_base(folder / "base")),
        COLUMNS,
        base_stage=BaseConfig(epochs=1, hold_out=0.3, max_tokens=16),
        detector=DetectorConfig(epochs=3),
        correction=CorrectionConfig(epochs=2),
    )
    rows, schema = from_table(tiny_table(900), COLUMNS, 0)
    return prepare(config, rows, schema, "digest", folder / "work")


def base_classes(context: Context) -> np.ndarray:
    return context.features.base_logits[context.scored].argmax(axis=1)


def outside(context: Context) -> np.ndarray:
    return np.any(
        [context.rows.groups[name][context.scored] > 0 for name in context.schema.attributes], axis=0
    )


def test_with_full_knowledge_the_true_attribute_gates(context: Context) -> None:
    answer = FAIRNET[0].answer(context)
    assert (answer.predicted == base_classes(context))[~outside(context)].all()
    share = (context.rows.groups["team"][context.scored] > 0).mean()
    assert answer.notes["gated_share"]["team"] == pytest.approx(share, abs=1e-4)


def test_full_knowledge_leaves_rows_with_an_unknown_attribute_to_the_base(context: Context) -> None:
    groups = {
        name: np.where(np.arange(900) % 2 == 0, -1, codes) for name, codes in context.rows.groups.items()
    }
    half = Context(
        context.config, replace(context.rows, groups=groups), context.schema, context.base, context.folder
    )
    answer = FAIRNET[0].answer(half)
    unknown = context.scored % 2 == 0
    assert (answer.predicted == base_classes(context))[unknown].all()


def test_partial_knowledge_needs_no_attribute_at_test(context: Context) -> None:
    method = replace(FAIRNET[1], known_share=0.5)
    hidden = {
        name: np.where(np.isin(context.rows.split, ("test",)), -1, codes)
        for name, codes in context.rows.groups.items()
    }
    blind = Context(
        context.config, replace(context.rows, groups=hidden), context.schema, context.base, context.folder
    )
    assert (method.answer(context).predicted == method.answer(blind).predicted).all()


def test_without_knowledge_the_attribute_is_never_looked_at(context: Context) -> None:
    nobody = {name: np.full(len(codes), -1) for name, codes in context.rows.groups.items()}
    blind = Context(
        context.config, replace(context.rows, groups=nobody), context.schema, context.base, context.folder
    )
    seen, unseen = (FAIRNET[2].answer(each) for each in (context, blind))
    assert (seen.predicted == unseen.predicted).all()
    assert set(seen.notes["gated_share"]) == {"outlier"}


def test_always_on_corrects_everybody_at_a_strength_chosen_on_validation_rows(context: Context) -> None:
    answer = AlwaysOn().answer(context)
    assert 0 < answer.notes["strength"] <= 1
    correction = PublishedCorrection.fresh(context, (ANY,))
    everyone = np.ones((len(context.scored), 1), dtype=bool)
    # A new adapter changes nothing: the base's answer, through the corrected path.
    logits = correction.logits(context.scored, everyone)
    assert np.allclose(logits, context.features.base_logits[context.scored], atol=1e-4)


def test_the_published_weights_have_no_kl_term_and_the_methods_leave_no_checkpoints(context: Context) -> None:
    stage = published(context.config.correction)
    assert (stage.task_weight, stage.keep_weight, stage.rank) == (0.1, 0.0, 8)
    assert not list(context.folder.glob("*-adapters"))
    assert not list(context.folder.glob("*-detector"))
