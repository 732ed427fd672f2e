"""What both methods begin with: the tables read, the base loaded, everything tokenised."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from torch import nn

from training.base import weights_hash
from training.data import DataError
from training.generative import language
from training.generative.config import Common
from training.generative.language import Speech, Tokens
from training.generative.pairs import Neutral, Pair, Pairs, Source, read_neutral, read_pairs
from training.progress import say

TOO_LONG = "longer than --max-tokens"


@dataclass(frozen=True)
class Prepared:
    """A base and what it is taught and judged with."""

    model: nn.Module
    speech: Speech
    base: dict[str, str]
    """Name and hash of the weights."""
    pairs: Pairs
    neutral: Neutral | None
    learn: list[Tokens]
    held_out: list[Tokens]

    def neutral_tokens(self, prompts: Sequence[str]) -> list[list[int]]:
        """Tokens of neutral prompts."""
        return [self.speech.prompt(prompt) for prompt in prompts]

    @property
    def sources(self) -> dict[str, Source]:
        """What was read, by its use."""
        neutral = {} if self.neutral is None else {"neutral": self.neutral.source}
        return {"pairs": self.pairs.source, **neutral}

    @property
    def counts(self) -> dict[str, int]:
        """What was used."""
        found = {"pairs learnt from": len(self.learn), "pairs held out": len(self.held_out)}
        if self.neutral is not None:
            found["neutral prompts held out"] = len(self.neutral.held_out)
        return found


def prepare(common: Common, data: Path, neutral: Path | None) -> Prepared:
    """Read the tables and load the base.

    Raises:
        DataError: one of them cannot be used.
    """
    pairs = read_pairs(data, common.columns, common.hold_out, common.seed)
    quiet = None if neutral is None else read_neutral(neutral, common.columns.prompt, common.hold_out, common.seed)
    _quieten()
    say(f"loading {common.base}")
    model, speech = language.load(common.base, common.precision, common.plain)
    learn, learn_tokens = _fitting(pairs.learn, speech, common.max_tokens)
    held_out, held_out_tokens = _fitting(pairs.held_out, speech, common.max_tokens)
    too_long = len(pairs.learn) + len(pairs.held_out) - len(learn) - len(held_out)
    if len(learn) < 2 or not held_out:
        raise DataError(f"{data}: {too_long} pairs are {TOO_LONG} {common.max_tokens}, and too few are left; raise it")
    if quiet is not None:
        quiet = _short(quiet, speech, common.max_tokens, neutral)
    left_out = {**pairs.source.left_out, **({TOO_LONG: too_long} if too_long else {})}
    source = Source(pairs.source.name, pairs.source.sha256, pairs.source.rows, left_out)
    say(f"{len(learn)} pairs to learn from, {len(held_out)} held out; {sum(left_out.values())} rows left out")
    base = {"name": language.public_name(common.base), "sha256": weights_hash(model)}
    return Prepared(model, speech, base, Pairs(learn, held_out, source), quiet, learn_tokens, held_out_tokens)


def _quieten() -> None:
    """The library's notes are for its developers, and its bars have no place in a log file."""
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    if not sys.stderr.isatty():
        transformers.logging.disable_progress_bar()


def draft_of(out: Path) -> Path:
    """An empty folder beside ``out``, to be renamed to it when all is written."""
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def _fitting(pairs: Sequence[Pair], speech: Speech, longest: int) -> tuple[list[Pair], list[Tokens]]:
    """Pairs that are learnt and judged whole: cutting an answer would change what it says."""
    both = [(pair, tokens) for pair in pairs if (tokens := speech.pair(pair)).longest <= longest]
    return [pair for pair, _ in both], [tokens for _, tokens in both]


def _short(neutral: Neutral, speech: Speech, longest: int, path: Any) -> Neutral:  # noqa: ANN401
    """Neutral prompts that are not too long."""
    learn, held = (
        [prompt for prompt in prompts if len(speech.prompt(prompt)) <= longest]
        for prompts in (neutral.learn, neutral.held_out)
    )
    if not learn or not held:
        raise DataError(f"{path}: too few neutral prompts are not {TOO_LONG} {longest}; raise it")
    gone = len(neutral.learn) + len(neutral.held_out) - len(learn) - len(held)
    left_out = {**neutral.source.left_out, **({TOO_LONG: gone} if gone else {})}
    source = Source(neutral.source.name, neutral.source.sha256, neutral.source.rows, left_out)
    return Neutral(learn, held, source)
