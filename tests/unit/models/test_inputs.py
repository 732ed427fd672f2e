"""One row alone decides its arrays; a batch is only padding."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import WORDS, write_tiny_base

from models.inputs import Encoded, InputError, TextEncoder, collate, text_of
from models.manifest import TextInput


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    folder: Path = write_tiny_base(tmp_path_factory.mktemp("base"))
    return TextEncoder((folder / "tokenizer.json").read_bytes(), TextInput(max_tokens=6, pad_id=0))


def test_a_text_becomes_its_tokens(encoder: TextEncoder) -> None:
    found = encoder.encode("good FILM")
    assert found.ids.tolist() == [2, 4 + WORDS.index("good"), 4 + WORDS.index("film"), 3]
    assert not found.truncated


def test_a_long_text_is_cut_and_says_so(encoder: TextEncoder) -> None:
    found = encoder.encode("good " * 20_000)
    assert found.tokens == 6
    assert found.ids[-1] == 3
    assert found.truncated
    assert not encoder.encode("good good good good").truncated


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_blank_text_is_refused(encoder: TextEncoder, text: str) -> None:
    with pytest.raises(InputError, match="empty"):
        encoder.encode(text)


def test_a_lone_surrogate_is_refused_without_repeating_the_text(encoder: TextEncoder) -> None:
    with pytest.raises(InputError, match="character 7") as caught:
        encoder.encode("secret \ud800 words")
    assert "secret" not in str(caught.value)


def test_a_tokenizer_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a tokenizer"):
        TextEncoder(b"{}", TextInput(max_tokens=6, pad_id=0))


@pytest.mark.parametrize("item", [1, None, [], {}, {"text": 1}, {"text": "a", "more": 1}, True])
def test_an_item_that_holds_no_text_is_refused(item: object) -> None:
    with pytest.raises(InputError, match="expected a string"):
        text_of(item)


def test_items_are_strings_or_objects() -> None:
    assert text_of("a") == text_of({"text": "a"}) == "a"


@given(st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=9), min_size=1, max_size=6))
def test_padding_keeps_every_token_and_nothing_else(rows: list[list[int]]) -> None:
    arrays = collate([Encoded(np.array(row), False) for row in rows], pad_id=0)
    assert arrays["input_ids"].shape == (len(rows), max(map(len, rows)))
    for row, ids, mask in zip(rows, arrays["input_ids"], arrays["attention_mask"], strict=True):
        assert ids[mask == 1].tolist() == row
        assert not ids[mask == 0].any()
