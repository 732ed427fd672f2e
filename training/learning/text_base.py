"""What a text base's configuration and tokenizer say about its inputs, read whole."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from evenhand.console import say
from evenhand.models.bundle.manifest import PairInput, TextInput
from evenhand.models.network.family import UnsupportedBaseError
from evenhand.training.learning.config import MIN_TOKENS

LONGEST = 8192
"""The largest ``max_tokens`` that a manifest accepts."""
TABLES = ("position_embeddings", "position_embedding", "embed_positions", "wpe")
"""What libraries call a table of learnt positions."""
EXAMPLE = ("a text", "another one")


def text_input(
    model: nn.Module,
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no typed base
    task: str,
    max_tokens: int,
) -> TextInput | PairInput:
    """The input section of a text or pair base; a decoder without a padding token gets one.

    Args:
        model: The classifier; its embeddings may grow by the row of a padding token.
        tokenizer: The base's own.
        task: ``text`` or ``pair``.
        max_tokens: Longest row that the settings allow.

    Raises:
        UnsupportedBaseError: tokenizer and base do not belong together, or no row fits.
    """
    config = text_config(model)
    highest = max(tokenizer.get_vocab().values())
    embeddings = model.get_input_embeddings().num_embeddings  # type: ignore[operator]
    if highest >= embeddings:
        raise UnsupportedBaseError(
            f"the tokenizer's highest token is {highest} and the base has {embeddings} embeddings: "
            "they do not belong together"
        )
    limit, longest = position_limit(model, tokenizer), max_tokens
    if limit < longest:
        say(f"the base reads at most {limit} tokens of a row, fewer than --max-tokens {max_tokens}")
        longest = limit
    added = tokenizer.num_special_tokens_to_add(pair=task == "pair")
    if longest < max(MIN_TOKENS, added + 1):
        raise UnsupportedBaseError(
            f"no row fits into {longest} tokens: {added} of them are the base's own; raise --max-tokens"
        )
    common: dict[str, Any] = {
        "max_tokens": longest,
        "pad_id": _pad_id(model, tokenizer, config, highest),
        "truncation_side": tokenizer.truncation_side,
        "type_ids": _reads_types(model, tokenizer, config, task),
    }
    return PairInput(**common) if task == "pair" else TextInput(**common)


def text_config(model: nn.Module) -> Any:  # noqa: ANN401 - a configuration of transformers
    """The part of a base's configuration that is about text."""
    config: Any = model.config
    return config.get_text_config()


def position_limit(model: nn.Module, tokenizer: Any) -> int:  # noqa: ANN401
    """How many tokens of a row a base reads, special ones among them."""
    limits = [LONGEST, int(min(tokenizer.model_max_length, LONGEST))]
    declared = getattr(text_config(model), "max_position_embeddings", None)
    if isinstance(declared, int) and declared > 0:
        limits.append(declared)
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.rpartition(".")[2] in TABLES:
            # RoBERTa and its kin count positions from behind the padding token's row.
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - reserved)
    return min(limits)


def reads_last_token(model: nn.Module, head: str) -> bool:
    """Whether the head reads every token of a row, as a decoder's, whose last token's answer counts."""
    dims: list[int] = []
    handle = model.get_submodule(head).register_forward_pre_hook(lambda _, args: dims.append(args[0].dim()))
    training = model.training
    try:
        with torch.no_grad():
            ids = torch.zeros(1, 2, dtype=torch.int64, device=next(model.parameters()).device)
            model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        handle.remove()
        model.train(training)
    return dims[0] == 3


def _pad_id(model: nn.Module, tokenizer: Any, config: Any, highest: int) -> int:  # noqa: ANN401
    """The padding token: the configuration's, by which heads and positions look for padding.

    Without one a decoder answers for the row's last token, whatever it is; padding then must be a token that
    no row contains, so the base gets one more, which no row attends to.
    """
    from evenhand.models.network.backbones import family_of

    own = getattr(config, "pad_token_id", None)
    embeddings: nn.Embedding = model.get_input_embeddings()  # type: ignore[operator]
    if isinstance(own, int) and 0 <= own < embeddings.num_embeddings:
        return own
    if tokenizer.pad_token_id is not None and not reads_last_token(model, family_of(model).head):
        return int(tokenizer.pad_token_id)
    added = highest + 1
    if added >= model.get_input_embeddings().num_embeddings:  # type: ignore[operator]
        model.resize_token_embeddings(added + 1, mean_resizing=False)  # type: ignore[operator]
        with torch.no_grad():
            model.get_input_embeddings().weight[added].zero_()  # type: ignore[operator]
    config.pad_token_id = added
    say(f"the base's configuration has no padding token: token {added} pads rows, and no row can contain it")
    return added


def _reads_types(model: nn.Module, tokenizer: Any, config: Any, task: str) -> bool:  # noqa: ANN401
    """Whether the base is told which text a token is from, where that differs within a row."""
    if "token_type_ids" not in tokenizer.model_input_names or getattr(config, "type_vocab_size", 2) < 2:
        return False
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        return False
    return task == "pair" or any(tokenizer.backend_tokenizer.encode(EXAMPLE[0]).type_ids)
