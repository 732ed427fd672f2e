"""The classifier for tables: every column counts, a gap counts as a gap."""

import pytest
import torch
from tiny_model import inputs_of, tiny_base

from evenhand.models.network.tabular import TabularClassifier, TabularConfig


@pytest.mark.parametrize("name", ["numeric", "absent", "codes"])
def test_every_input_changes_the_answer_of_its_row_alone(name: str) -> None:
    base, inputs = tiny_base("tabular"), inputs_of("tabular", 4)
    changed = {**inputs, name: inputs[name].clone()}
    changed[name][2, 1] = 1 - changed[name][2, 1] if name == "absent" else changed[name][2, 1] + 1
    with torch.no_grad():
        before, after = base(**inputs).logits, base(**changed).logits
    assert not torch.equal(before[2], after[2])
    assert torch.allclose(before[[0, 1, 3]], after[[0, 1, 3]], atol=1e-6)


def test_the_value_under_a_gap_is_zero_and_only_the_gap_is_seen() -> None:
    base, inputs = tiny_base("tabular"), inputs_of("tabular", 2)
    inputs["absent"][:] = 1
    inputs["numeric"][:] = 0
    with torch.no_grad():
        logits = base(**inputs).logits
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(("numeric", "categories"), [(2, ()), (0, (3,))])
def test_a_table_may_have_columns_of_one_kind_only(numeric: int, categories: tuple[int, ...]) -> None:
    base = TabularClassifier(TabularConfig(numeric, categories, 3)).eval()
    inputs = (
        {"numeric": torch.zeros(5, 2), "absent": torch.zeros(5, 2, dtype=torch.int64)}
        if numeric
        else {"codes": torch.zeros(5, 1, dtype=torch.int64)}
    )
    assert base(**inputs).logits.shape == (5, 3)
