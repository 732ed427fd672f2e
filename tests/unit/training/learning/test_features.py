"""Hidden states of the base: read once, and again only for another base or other rows."""

from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_base

from evenhand.models.bundle.inputs import Encoded
from evenhand.models.network.backbones import SplitModel
from evenhand.training.learning import features
from evenhand.training.learning.features import extract


def rows() -> list[Encoded]:
    rng = np.random.default_rng(0)
    made = []
    for length in (3, 5, 4, 6):
        tokens = rng.integers(5, 20, length)
        made.append(Encoded({"input_ids": tokens, "attention_mask": np.ones(length, np.int64)}, length))
    return made


def test_states_left_complete_under_the_same_key_are_read_again(tmp_path: Path) -> None:
    split, file = SplitModel(tiny_base(), 2), tmp_path / "hidden.npy"
    first = extract(split, rows(), 0, file, "one")
    marked = np.zeros_like(first.base_logits)
    np.save(file.with_suffix(".logits.npy"), marked)
    assert np.array_equal(extract(split, rows(), 0, file, "one").base_logits, marked)
    other = extract(split, rows(), 0, file, "two")
    np.testing.assert_allclose(other.base_logits, first.base_logits, atol=1e-6)


def test_an_interrupted_run_leaves_nothing_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split, file = SplitModel(tiny_base(), 2), tmp_path / "hidden.npy"
    first = extract(split, rows(), 0, file, "one")
    with monkeypatch.context() as patch:
        patch.setattr(features, "track", interrupted)
        with pytest.raises(KeyboardInterrupt):
            extract(split, rows(), 0, file, "two")
    for key in ("one", "two"):
        again = extract(split, rows(), 0, file, key)
        np.testing.assert_allclose(again.base_logits, first.base_logits, atol=1e-6)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt
