"""Which methods a table holds: those that are named, the base, and every control that suits the data."""

import pytest

from evenhand.training.baselines.index import METHODS, compared
from evenhand.training.data.dataset import DataError, Schema

TWO = Schema(("no", "yes"), ("yes",), {"team": ("none", "a")})
THREE = Schema(("a", "b", "c"), ("a",), {"team": ("none", "a")})
TREES = ["gradient-boosted", "gradient-boosted-all"]


@pytest.mark.parametrize(
    ("task", "schema", "controls"),
    [
        ("table", TWO, ["global-threshold", *TREES, "thresholds", "declared-offsets"]),
        ("text", TWO, ["global-threshold", "thresholds", "declared-offsets"]),
        ("image", THREE, ["global-threshold", "declared-offsets"]),
    ],
)
def test_controls_stand_in_every_table(task: str, schema: Schema, controls: list[str]) -> None:
    names = [method.name for method in compared(["dfr"], task, schema)]
    assert sorted(names) == sorted(["base", "dfr", *controls])
    assert names[0] == "base"
    ablations = [method.name for method in compared([], task, schema, ablations=True)]
    # A table with a line of Evenhand's also has the threshold that is held to its cost.
    assert {"base", "ours-full", "threshold-at-cost", *controls} < set(ablations)
    assert "threshold-at-cost" in [method.name for method in compared(["threshold-at-cost"], task, schema)]


def test_all_methods_are_those_that_suit_and_a_named_one_stays() -> None:
    everything = [method.name for method in compared([], "text", TWO)]
    assert everything == [method.name for method in METHODS if method.name not in TREES]
    assert "gradient-boosted" in [method.name for method in compared(["gradient-boosted"], "text", TWO)]
    with pytest.raises(DataError, match="no method magic"):
        compared(["magic"], "text", TWO)
