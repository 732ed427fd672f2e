"""The file that says how an item becomes arrays."""

from pathlib import Path

import numpy as np
import pytest
from tiny_kinds import write_tiny_pair_base

from evenhand.models.bundle.encoders.table import TableEncoder, TableFeatures
from evenhand.training.data.dataset import DataError, Rows
from evenhand.training.data.preprocess_file import features_json, tokenizer_of


def rows(items: list[dict[str, object]], split: list[str]) -> Rows:
    n = len(items)
    return Rows(items, np.zeros(n, dtype=int), {}, np.array(split), np.arange(n))


def test_features_are_standardised_with_training_rows_only() -> None:
    items = [{"age": 10.0, "job": "a"}, {"age": 30.0, "job": None}, {"age": 999.0, "job": "z"}]
    content = features_json(rows(items, ["train", "train", "test"]))
    features = TableFeatures.model_validate_json(content)
    assert (features.numeric[0].mean, features.numeric[0].scale) == (20.0, 10.0)
    assert features.categorical[0].categories == ["a"]
    encoded = TableEncoder(content).encode({"age": 30, "job": "z"})
    assert encoded.arrays["numeric"].tolist() == [1.0]
    assert encoded.arrays["codes"].tolist() == [1]


def test_a_constant_column_does_not_divide_by_zero() -> None:
    features = TableFeatures.model_validate_json(
        features_json(rows([{"age": 5.0}, {"age": 5.0}], ["train", "val"]))
    )
    assert features.numeric[0].scale == 1.0


def test_a_table_without_any_value_is_refused() -> None:
    with pytest.raises(DataError, match="no feature has a value"):
        features_json(rows([{"age": None}], ["train"]))


def test_a_fast_tokenizer_is_needed_and_found(tmp_path: Path) -> None:
    assert tokenizer_of(str(write_tiny_pair_base(tmp_path / "base"))).pad_token_id == 0
