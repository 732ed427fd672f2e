"""One row alone decides its arrays; a batch is only padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenhand.models.bundle.inputs import Encoded, collate, pad_of
from evenhand.models.bundle.manifest import ImageInput, TextInput


@given(st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=9), min_size=1, max_size=6))
def test_padding_keeps_every_token_and_nothing_else(rows: list[list[int]]) -> None:
    arrays = collate([Encoded({"input_ids": np.array(row)}, len(row)) for row in rows], pad_id=0)
    assert arrays["input_ids"].shape == (len(rows), max(map(len, rows)))
    for row, ids, mask in zip(rows, arrays["input_ids"], arrays["attention_mask"], strict=True):
        assert ids[mask == 1].tolist() == row
        assert not ids[mask == 0].any()


def test_rows_without_tokens_are_stacked() -> None:
    rows = [Encoded({"numeric": np.array([1.0, 2.0]), "codes": np.array([3])}, 4) for _ in range(2)]
    arrays = collate(rows, pad_id=0)
    assert {name: array.shape for name, array in arrays.items()} == {"numeric": (2, 2), "codes": (2, 1)}


def test_only_tokens_have_a_padding_token() -> None:
    assert pad_of(TextInput(max_tokens=8, pad_id=7)) == 7
    assert pad_of(ImageInput()) == 0
