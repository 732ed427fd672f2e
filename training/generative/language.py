"""Load a causal language model and its tokenizer, and turn prompts and answers into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from evenhand.training.data.dataset import DataError
from evenhand.training.generative.pairs import Pair

Record = dict[str, Any]


@dataclass(frozen=True)
class TokenPair:
    """A pair, tokenised."""

    prompt: list[int]
    preferred: list[int]
    dispreferred: list[int]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with the longer answer."""
        return len(self.prompt) + max(len(self.preferred), len(self.dispreferred))


@dataclass(frozen=True)
class PromptFormat:
    """How prompts and answers become tokens.

    With a chat template the prompt is the user's turn and the answer the assistant's. Without one both are
    plain text, one after the other, and the answer ends with the end-of-text token. TRL tokenises
    :meth:`record` in the same way.
    """

    tokenizer: PreTrainedTokenizerBase
    chat: bool

    def record(self, pair: Pair) -> Record:
        """A pair as TRL takes it."""
        if self.chat:
            return {
                "prompt": [{"role": "user", "content": pair.prompt}],
                "chosen": [{"role": "assistant", "content": pair.preferred}],
                "rejected": [{"role": "assistant", "content": pair.dispreferred}],
            }
        answers = [self._ended(pair.prompt, answer) for answer in (pair.preferred, pair.dispreferred)]
        return {"prompt": pair.prompt, "chosen": answers[0], "rejected": answers[1]}

    def prompt(self, prompt: str) -> list[int]:
        """Tokens of a prompt, up to where an answer begins."""
        if self.chat:
            return self._chat([{"role": "user", "content": prompt}], add_generation_prompt=True)
        return self._plain(prompt)

    def pair(self, pair: Pair) -> TokenPair:
        """Tokens of a pair; answers begin where prompt and answer together leave the prompt's own tokens."""
        record, prompt = self.record(pair), self.prompt(pair.prompt)
        both = [
            self._chat(record["prompt"] + record[kind])
            if self.chat
            else self._plain(record["prompt"] + record[kind])
            for kind in ("chosen", "rejected")
        ]
        begin = min(_shared(prompt, whole) for whole in both)
        return TokenPair(prompt[:begin], both[0][begin:], both[1][begin:])

    def _ended(self, prompt: str, answer: str) -> str:
        """An answer that begins with a space where words would else run together, and that ends."""
        space = "" if prompt[-1:].isspace() or answer[:1].isspace() else " "
        return space + answer + str(self.tokenizer.eos_token)

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text=text)["input_ids"]
        return ids

    def _chat(self, turns: list[dict[str, str]], **options: bool) -> list[int]:
        encoding = self.tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True, **options)
        ids: list[int] = encoding["input_ids"]
        return ids


def load(base: str, precision: str, plain: bool) -> tuple[nn.Module, PromptFormat]:
    """Load a causal language model, frozen, and its tokenizer.

    Weights are safetensors only, and no code of the model's repository runs.

    Args:
        base: Hub id or folder.
        precision: ``float32`` or ``bfloat16``.
        plain: Put prompts as plain text even if there is a chat template.

    Raises:
        DataError: the base is missing or is no causal language model.
    """
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    try:
        # Which model is the user's choice; the hash of its weights is in the card.
        tokenizer = AutoTokenizer.from_pretrained(base)  # nosec B615
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, use_safetensors=True)  # nosec B615
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"base {base!r} cannot be loaded as a causal language model ({reason})") from error
    if tokenizer.eos_token is None:
        raise DataError(f"base {base!r}: its tokenizer names no end-of-text token (eos_token); add one to it")
    model.requires_grad_(False)
    prompt_format = PromptFormat(tokenizer, chat=not plain and tokenizer.chat_template is not None)
    return model.to(device()).eval(), prompt_format


def public_name(base: str) -> str:
    """A hub id as it is; of a local folder only its name, so that a card contains no local path."""
    return Path(base).resolve().name if Path(base).exists() else base


def device() -> torch.device:
    """The machine's accelerator, or the CPU."""
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def _shared(first: list[int], second: list[int]) -> int:
    """Number of leading tokens that two lists have in common."""
    same = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        same += 1
    return same
