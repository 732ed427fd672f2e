"""The first step of both methods: read the tables, load the base, tokenise."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import transformers
from torch import nn

from evenhand.console import say
from evenhand.training.data.dataset import DataError
from evenhand.training.generative import language
from evenhand.training.generative.language import PromptFormat, TokenPair
from evenhand.training.generative.options import Common
from evenhand.training.generative.pairs import Neutral, Pair, Pairs, PairsOrigin, read_neutral, read_pairs
from evenhand.training.learning.base_model import weights_hash

TOO_LONG = "longer than --max-tokens"


@dataclass(frozen=True)
class PreparedBase:
    """A base, with its tokenised data to learn from and to evaluate on."""

    model: nn.Module
    prompt_format: PromptFormat
    base: dict[str, str]
    """Name and hash of the weights."""
    pairs: Pairs
    neutral: Neutral | None
    learn: list[TokenPair]
    held_out: list[TokenPair]

    def neutral_tokens(self, prompts: Sequence[str]) -> list[list[int]]:
        """Tokens of neutral prompts."""
        return [self.prompt_format.prompt(prompt) for prompt in prompts]

    @property
    def sources(self) -> dict[str, PairsOrigin]:
        """What was read, by its use."""
        neutral = {} if self.neutral is None else {"neutral": self.neutral.source}
        return {"pairs": self.pairs.source, **neutral}

    @property
    def counts(self) -> dict[str, int]:
        """What was used."""
        counts = {"pairs learnt from": len(self.learn), "pairs held out": len(self.held_out)}
        if self.neutral is not None:
            counts["neutral prompts held out"] = len(self.neutral.held_out)
        return counts


def prepare(common: Common, data: Path, neutral: Path | None) -> PreparedBase:
    """Read the tables and load the base.

    Raises:
        DataError: one of them cannot be used.
    """
    pairs = read_pairs(data, common.columns, common.hold_out, common.seed)
    quiet = (
        None
        if neutral is None
        else read_neutral(neutral, common.columns.prompt, common.hold_out, common.seed)
    )
    _quieten()
    say(f"loading {common.base}")
    model, prompt_format = language.load(common.base, common.precision, common.plain)
    left_out = Counter(pairs.source.left_out)
    learn, learn_tokens = _fitting(pairs.learn, prompt_format, common.max_tokens, left_out)
    held_out, held_out_tokens = _fitting(pairs.held_out, prompt_format, common.max_tokens, left_out)
    if len(learn) < 2 or not held_out:
        why = ", ".join(f"{n} {reason}" for reason, n in left_out.items())
        raise DataError(
            f"{data}: too few pairs are left; left out: {why}. Raise --max-tokens, or try --plain"
        )
    if quiet is not None:
        quiet = _short(quiet, prompt_format, common.max_tokens)
    source = replace(pairs.source, left_out=dict(left_out))
    say(f"{len(learn)} pairs to learn from, {len(held_out)} held out; {left_out.total()} rows left out")
    base = {"name": language.public_name(common.base), "sha256": weights_hash(model)}
    return PreparedBase(
        model, prompt_format, base, Pairs(learn, held_out, source), quiet, learn_tokens, held_out_tokens
    )


def _quieten() -> None:
    """Silence the library's warnings, which are for developers, and its bars where output is a log file."""
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False", module="peft")
    if not sys.stderr.isatty():
        transformers.logging.disable_progress_bar()


def _fitting(
    pairs: Sequence[Pair], prompt_format: PromptFormat, longest: int, left_out: Counter[str]
) -> tuple[list[Pair], list[TokenPair]]:
    """Pairs that fit whole and tokenise as on a server, with their tokens; the others are counted."""
    fitting = []
    for pair in pairs:
        tokens = prompt_format.pair(pair)
        if tokens.longest > longest:  # cutting an answer would change what it says
            left_out[TOO_LONG] += 1
        elif not tokens.prompt or tokens.prompt != prompt_format.prompt(pair.prompt):
            left_out["tokenised otherwise with an answer than without"] += 1
        else:
            fitting.append((pair, tokens))
    return [pair for pair, _ in fitting], [tokens for _, tokens in fitting]


def _short(neutral: Neutral, prompt_format: PromptFormat, longest: int) -> Neutral:
    """Neutral prompts that are neither empty nor too long."""
    learn, held = (
        [prompt for prompt in prompts if 0 < len(prompt_format.prompt(prompt)) <= longest]
        for prompts in (neutral.learn, neutral.held_out)
    )
    if len(learn) < 2 or not held:
        raise DataError(f"{neutral.source.name}: too few neutral prompts are not {TOO_LONG}; raise it")
    gone = len(neutral.learn) + len(neutral.held_out) - len(learn) - len(held)
    left_out = {**neutral.source.left_out, **({TOO_LONG: gone} if gone else {})}
    return Neutral(learn, held, replace(neutral.source, left_out=left_out))
