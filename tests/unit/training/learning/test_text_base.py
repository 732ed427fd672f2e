"""A text base's configuration and tokenizer are read whole: positions, padding, sides, kinds of tokens."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bases import BASES, tiny_classifier, tiny_tokenizer, write_base

from evenhand.models.bundle.encoders.text import TextEncoder
from evenhand.models.bundle.manifest import PairInput, TextInput
from evenhand.models.network.backbones import set_up
from evenhand.models.network.family import UnsupportedBaseError
from evenhand.training.learning.text_base import position_limit, text_input

LIMITS = {
    **dict.fromkeys(("BERT", "DistilBERT", "DeBERTa-v2", "ModernBERT", "ELECTRA", "ALBERT", "GPT-2"), 40),
    **dict.fromkeys(("Llama", "Qwen2", "Gemma", "Mistral"), 40),
    # Positions 0 to the padding token's are reserved.
    **dict.fromkeys(("RoBERTa", "XLM-R", "CamemBERT"), 39),
    "MPNet": 38,
    # Relative positions have no limit of their own.
    "XLNet": 8192,
}


@pytest.mark.parametrize("title", LIMITS)
@torch.no_grad()
def test_rows_are_cut_at_the_bases_own_last_position(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    model, tokenizer = set_up(tiny_classifier(title)), tiny_tokenizer(title)
    limit = position_limit(model, tokenizer)
    assert limit == LIMITS[title]
    spec = text_input(model, tokenizer, "text", 64)
    assert spec.max_tokens == min(64, limit)
    assert ("the base reads at most" in capsys.readouterr().err) == (limit < 64)
    encoder = TextEncoder(tokenizer.backend_tokenizer.to_str().encode(), spec)
    encoded = encoder.encode(encoder.longest())
    assert encoded.tokens == spec.max_tokens
    arrays = {name: torch.from_numpy(array)[None] for name, array in encoded.arrays.items()}
    logits = model(**arrays, attention_mask=torch.ones_like(arrays["input_ids"])).logits
    assert torch.isfinite(logits).all()


def test_a_tokenizer_that_reads_less_than_its_base_decides() -> None:
    tokenizer = tiny_tokenizer("BERT", model_max_length=12)
    assert text_input(tiny_classifier("BERT"), tokenizer, "text", 64).max_tokens == 12


@pytest.mark.parametrize("side", ["left", "right"])
def test_long_rows_are_cut_on_the_side_of_the_bases_tokenizer(side: str) -> None:
    tokenizer = tiny_tokenizer("BERT", truncation_side=side)
    spec = text_input(tiny_classifier("BERT"), tokenizer, "text", 8)
    assert spec.truncation_side == side
    text = "good " * 9 + "bad " * 9
    theirs = tokenizer(text, truncation=True, max_length=8)["input_ids"]
    ours = TextEncoder(tokenizer.backend_tokenizer.to_str().encode(), spec).encode(text)
    assert ours.arrays["input_ids"].tolist() == theirs
    assert ours.truncated


def test_a_manifest_without_a_side_cuts_on_the_right() -> None:
    assert TextInput(max_tokens=8, pad_id=0).truncation_side == "right"
    assert PairInput(max_tokens=8, pad_id=0, type_ids=True).truncation_side == "right"


def test_the_kinds_of_xlnets_tokens_are_those_of_its_tokenizer() -> None:
    tokenizer = tiny_tokenizer("XLNet")
    spec = text_input(tiny_classifier("XLNet"), tokenizer, "text", 16)
    ours = TextEncoder(tokenizer.backend_tokenizer.to_str().encode(), spec).encode("good film")
    theirs = tokenizer("good film")
    assert ours.arrays["token_type_ids"].tolist() == theirs["token_type_ids"] == [0, 0, 0, 2]
    assert not text_input(tiny_classifier("BERT"), tiny_tokenizer("BERT"), "text", 16).type_ids


@pytest.mark.parametrize("title", [title for title, base in BASES.items() if base.decoder])
@torch.no_grad()
def test_a_decoder_without_a_padding_token_answers_at_the_last_token(title: str) -> None:
    alone = tiny_classifier(title, pad=False)
    model = set_up(tiny_classifier(title, pad=False))
    # A tokenizer often pads with the end of text, which a row may contain.
    spec = text_input(model, tiny_tokenizer(title, pad_token="[SEP]"), "text", 16)
    assert spec.pad_id == 18
    rows = [[5, 6, 3], [7, 8, 9, 10, 3, 3], [3]]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [spec.pad_id] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    together = model(input_ids=ids, attention_mask=mask).logits
    for row, logits in zip(rows, together, strict=True):
        own = alone(input_ids=torch.tensor([row])).logits[0]
        assert torch.allclose(own, logits, atol=1e-5)


@torch.no_grad()
def test_a_decoder_whose_vocabulary_is_full_gets_a_row_for_padding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = set_up(tiny_classifier("GPT-2", pad=False, vocab_size=18))
    before = model(input_ids=torch.tensor([[5, 6, 3]])).logits
    spec = text_input(model, tiny_tokenizer("GPT-2", pad_token=None), "text", 16)
    assert (spec.pad_id, model.get_input_embeddings().num_embeddings) == (18, 19)
    assert torch.equal(model(input_ids=torch.tensor([[5, 6, 3]])).logits, before)
    assert "token 18 pads rows, and no row can contain it" in capsys.readouterr().err


def test_a_decoder_with_a_padding_token_keeps_it() -> None:
    assert text_input(tiny_classifier("Llama"), tiny_tokenizer("Llama"), "text", 16).pad_id == 0


@pytest.mark.parametrize(
    ("settings", "task", "max_tokens", "reason"),
    [
        ({"vocab_size": 10}, "text", 16, "highest token is 17 and the base has 10 embeddings"),
        ({"max_position_embeddings": 3}, "text", 16, "no row fits into 3 tokens"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    settings: dict[str, Any], task: str, max_tokens: int, reason: str
) -> None:
    with pytest.raises(UnsupportedBaseError, match=reason):
        text_input(tiny_classifier("BERT", **settings), tiny_tokenizer("BERT"), task, max_tokens)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"problem_type": "multi_label_classification"}, "a probability of its own for every label"),
        ({"problem_type": "regression"}, "a number (regression)"),
        ({"id2label": {"0": "score"}, "label2id": {"score": 0}}, "one number"),
    ],
)
def test_a_kept_head_that_answers_otherwise_is_refused_in_one_sentence(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    from evenhand.training.data.columns import Columns
    from evenhand.training.data.dataset import DataError
    from evenhand.training.learning.base_model import _configuration
    from evenhand.training.learning.config import BaseConfig, FitConfig

    base = write_base(tmp_path / "base", "BERT")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, **changes}))
    columns = Columns(text="t", label="l", attributes=())
    fit = FitConfig("a", str(base), columns, base_stage=BaseConfig(keep=True))
    with pytest.raises(DataError, match="supported is one label out of two or more") as caught:
        _configuration(fit)
    assert said in str(caught.value)
    _configuration(FitConfig("a", str(base), columns))
