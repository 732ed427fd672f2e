"""What a target names is corrected; what it leaves out is counted."""

import pytest

from evenhand.training.choice.aim import corrected_columns, refuse_uncounted, target_of
from evenhand.training.data.dataset import DataError, Schema
from evenhand.training.learning.config import CorrectionConfig, TargetConfig

SCHEMA = Schema(
    ("no", "yes"),
    ("yes",),
    {"sex": ("m", "f"), "race": ("w", "b"), "age": ("young", "old"), "sex:race": ("not both", "f & b")},
    gates={"sex": ("m", "f"), "race": ("w", "b"), "age": ("young", "old")},
)


def corrected(schema: Schema, config: TargetConfig) -> list[bool]:
    return corrected_columns(schema, target_of(schema, CorrectionConfig(target=config))).tolist()


def test_a_measure_of_all_corrects_all() -> None:
    assert corrected(SCHEMA, TargetConfig(measure="worst-cell")) == [True, True, True]


def test_only_attributes_that_are_named_are_corrected() -> None:
    own = (("race", "equalized-odds"),)
    assert corrected(SCHEMA, TargetConfig(measure=None, measures=own)) == [False, True, False]
    assert corrected(SCHEMA, TargetConfig(measure="worst-cell", measures=own)) == [True, True, True]


def test_an_intersection_corrects_both_of_its_attributes() -> None:
    own = (("sex:race", "worst-cell"),)
    assert corrected(SCHEMA, TargetConfig(measure=None, measures=own)) == [True, True, False]


def test_a_gate_that_is_no_attribute_stands_for_all() -> None:
    shared = Schema(SCHEMA.labels, SCHEMA.favourable, SCHEMA.groups, gates={"any": ("none", "any")})
    assert corrected(shared, TargetConfig(measure=None, measures=(("race", "worst-cell"),))) == [True]


def test_a_target_of_no_attribute_or_of_a_strange_one_is_refused() -> None:
    with pytest.raises(DataError, match="names no attribute; there are sex"):
        corrected(SCHEMA, TargetConfig(measure=None))
    with pytest.raises(DataError, match="colour=worst-cell: no such attribute"):
        corrected(SCHEMA, TargetConfig(measure=None, measures=(("colour", "worst-cell"),)))


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (("m", "f" * 70), "has 76 characters, and the record keeps names of at most 64"),
        (tuple(f"group {n}" for n in range(16)), "has 211 groups; at most 128 are counted"),
    ],
)
def test_an_intersection_that_service_could_not_count_is_refused_only_where_it_is_aimed_at(
    first: tuple[str, ...], why: str
) -> None:
    second = tuple(f"g{n}" for n in range(15))
    groups = {"sex": first, "race": second, "sex:race": ("not both", f"{first[1]} & g1")}
    schema = Schema(("no", "yes"), ("yes",), groups, gates={"sex": first, "race": second})
    alone = TargetConfig(measure=None, measures=(("sex", "worst-cell"),))
    refuse_uncounted(schema, target_of(schema, CorrectionConfig(target=alone)))
    with pytest.raises(DataError, match=why) as caught:
        refuse_uncounted(schema, target_of(schema, CorrectionConfig()))
    assert "--target sex=worst-cell --target race=worst-cell" in str(caught.value)
