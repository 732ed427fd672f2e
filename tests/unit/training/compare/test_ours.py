"""Our correction in the comparison is the fit's, and a variant changes what its name says and nothing else."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from training.compare.context import Context
from training.compare.method import Sees
from training.compare.ours import ABLATIONS, OURS, Ours
from training.compare.registry import named
from training.data import DataError


def base_classes(context: Context) -> np.ndarray:
    return context.features.base_logits[context.judged].argmax(axis=1)


def test_a_choice_that_is_not_certified_leaves_the_base_as_it_is(context: Context) -> None:
    answer = replace(OURS[0], certificate=True).answer(context)
    assert not answer.notes["certified"]
    assert (answer.predicted == base_classes(context)).all()
    assert set(answer.notes["gated_share"].values()) == {0.0}


def test_rows_that_no_detector_flags_get_the_bases_answer(context: Context) -> None:
    loose = replace(context.config, correction=replace(context.config.correction, epsilon=1.0, epochs=4))
    answer = OURS[0].answer(context.under(loose))
    assert set(answer.notes["gated_share"]) == {"team", "colour"}
    changed = (answer.predicted != base_classes(context)).mean()
    assert changed <= sum(answer.notes["gated_share"].values()) + 1e-3


@pytest.mark.parametrize("method", OURS[1:], ids=lambda method: method.name)
def test_what_is_not_known_of_training_rows_is_never_looked_at(method: Ours, context: Context) -> None:
    rows = context.rows
    hidden = np.isin(rows.split, ("test",))
    groups = {name: np.where(hidden, -1, codes) for name, codes in rows.groups.items()}
    blind = Context(context.config, replace(rows, groups=groups), context.schema, context.base, context.folder)
    blind.__dict__["features"] = context.features
    assert (method.answer(context).predicted == method.answer(blind).predicted).all()


@pytest.mark.parametrize("method", ABLATIONS[1:], ids=lambda method: method.name)
def test_a_variant_changes_one_setting(method: Ours, context: Context) -> None:
    usual, changed = (asdict(each.settings(context.config)) for each in (OURS[0], method))
    moved = [
        (stage, name)
        for stage in ("detector", "correction")
        for name, value in changed[stage].items()
        if usual[stage][name] != value
    ]
    assert len(moved) == 1
    assert {**usual, "detector": {}, "correction": {}} == {**changed, "detector": {}, "correction": {}}
    assert method.key != OURS[0].key


def test_another_layer_reads_its_own_states_and_leaves_the_others_in_place(context: Context) -> None:
    before = np.array(context.features.hidden[:5])
    layer = next(method for method in ABLATIONS if method.name == "ours-layer-1")
    other = context.under(layer.settings(context.config))
    assert other.layer == 1 != context.layer
    assert not np.allclose(other.features.hidden[:5], before)
    assert np.array_equal(context.features.hidden[:5], before)
    assert layer.answer(context).predicted.shape == context.judged.shape
    assert np.array_equal(context.features.hidden[:5], before)


def test_one_detector_for_all_attributes(context: Context) -> None:
    shared = next(method for method in ABLATIONS if method.name == "ours-shared")
    assert set(shared.answer(context).notes["gated_share"]) == {"any"}


def test_ablations_are_listed_beside_the_base_and_a_correction_without_a_detector() -> None:
    names = [method.name for method in named((), ablations=True)]
    assert names[:3] == ["base", "always-on", "ours-full"]
    assert len(names) == len(set(names))
    assert [method.name for method in named(("ours-no-kl",), ablations=True)] == ["base", "ours-no-kl"]
    with pytest.raises(DataError, match="no method ours-no-kl"):
        named(("ours-no-kl",))


def test_no_name_is_taken_twice_and_names_are_file_names() -> None:
    methods = {method.key: method for ablations in (False, True) for method in named((), ablations)}
    names = [method.name for method in methods.values()]
    assert len(names) == len(set(names))
    assert all(name.replace("-", "").isalnum() for name in names)
    assert all(isinstance(method.sees, Sees) for method in methods.values())
