"""One text, or one pair of texts, alone decides its arrays."""

from pathlib import Path

import pytest
from tiny_model import WORDS, write_tiny_base

from evenhand.models.bundle.encoders.text import MAX_CHARACTERS, TextEncoder, pair_of, text_of
from evenhand.models.bundle.inputs import InputError, collate
from evenhand.models.bundle.manifest import PairInput, TextInput


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    folder: Path = write_tiny_base(tmp_path_factory.mktemp("base"))
    return TextEncoder((folder / "tokenizer.json").read_bytes(), TextInput(max_tokens=6, pad_id=0))


def test_a_text_becomes_its_tokens(encoder: TextEncoder) -> None:
    encoded = encoder.encode("good FILM")
    assert encoded.arrays["input_ids"].tolist() == [2, 4 + WORDS.index("good"), 4 + WORDS.index("film"), 3]
    assert not encoded.truncated


def test_a_long_text_is_cut_and_says_so(encoder: TextEncoder) -> None:
    encoded = encoder.encode("good " * 20_000)
    assert encoded.tokens == 6
    assert encoded.arrays["input_ids"][-1] == 3
    assert encoded.truncated
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


def test_a_pair_is_two_texts_with_types(tmp_path: Path) -> None:
    content = (write_tiny_base(tmp_path) / "tokenizer.json").read_bytes()
    encoder = TextEncoder(content, PairInput(max_tokens=12, pad_id=0, type_ids=True))
    encoded = encoder.encode({"text": "good", "text_pair": "bad film"})
    assert set(encoded.arrays) == {"input_ids", "token_type_ids"}
    assert encoded.tokens == len(encoded.arrays["input_ids"]) >= 3
    batch = collate([encoder.encode(item) for item in encoder.examples()], 0)
    assert set(batch) == {"input_ids", "token_type_ids", "attention_mask"}
    with pytest.raises(InputError, match="empty"):
        encoder.encode({"text": "good", "text_pair": " "})


@pytest.mark.parametrize("item", ["a", {"text": "a"}, {"text": "a", "text_pair": 1}, None])
def test_an_item_that_holds_no_pair_is_refused(item: object) -> None:
    with pytest.raises(InputError, match="text_pair"):
        pair_of(item)


def test_a_text_of_megabytes_is_refused_before_it_is_tokenised(encoder: TextEncoder) -> None:
    assert encoder.encode("a " * (MAX_CHARACTERS // 2)).truncated
    with pytest.raises(InputError, match="longer than 100000 characters"):
        encoder.encode("a" * (MAX_CHARACTERS + 1))
