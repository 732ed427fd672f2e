"""What lies beside a text classifier in ONNX, read whole: its tokenizer, its labels, its limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from evenhand.console import say
from evenhand.models.bundle.manifest import TextInput
from evenhand.training.data.dataset import DataError

LONGEST = 8192
"""The largest ``max_tokens`` that a manifest accepts."""
UNSTATED = 512
"""Tokens of a row where no file says how many the model reads."""
SHORTEST = 4
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class TextFiles:
    """A model in ONNX over token ids, and what belongs to it."""

    model: Path
    tokenizer: Path
    config: Mapping[str, Any]
    """``config.json``; empty if there is none."""
    tokenizer_config: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the model's scores; empty if no file names them."""
        named = self.config.get("id2label") or {}
        return tuple(str(named[place]) for place in sorted(named, key=int))

    @classmethod
    def of(cls, path: Path, tokenizer: Path | None) -> TextFiles:
        """The files of a folder that holds both, or of a model file and its tokenizer.

        Raises:
            DataError: one is missing, several models could be meant, or the model answers otherwise than with
                one label of several.
        """
        model = _model_in(path) if path.is_dir() else path
        around = [path] if path.is_dir() else [path.parent]
        folders = list(dict.fromkeys([*around, model.parent]))
        if tokenizer is not None and not tokenizer.is_file():
            raise DataError(f"--tokenizer {tokenizer}: no such file")
        own = tokenizer or _first(folders, TOKENIZER)
        if own is None:
            raise DataError(
                f"--model {path}: no {TOKENIZER} beside {model.name}: a text model needs the tokenizer that "
                "it was trained with; name its file with --tokenizer (transformers writes one by "
                "save_pretrained of a fast tokenizer)"
            )
        config = _json(_first(folders, "config.json"))
        _check_head(path, config)
        folders = list(dict.fromkeys([own.parent, *folders]))
        return cls(model, own, config, _json(_first(folders, "tokenizer_config.json")))

    def spec(self, content: bytes, wished: int | None, type_ids: bool) -> TextInput:
        """How a text becomes ids, as the model's own files say.

        Args:
            content: The tokenizer's file.
            wished: ``max_tokens`` of the settings, if there is one.
            type_ids: Whether the model reads ``token_type_ids``.

        Raises:
            DataError: the tokenizer is none, or no row fits.
        """
        tokenizer = read_tokenizer(content, str(self.tokenizer))
        limit = self._limit(tokenizer)
        longest = min(wished or limit or UNSTATED, limit or LONGEST)
        if limit is None and wished is None:
            say(f"no file says how many tokens {self.model.name} reads: {UNSTATED}, unless --max-tokens says")
        elif limit is not None and wished is not None and wished > limit:
            say(f"{self.model.name} reads at most {limit} tokens of a row, fewer than --max-tokens {wished}")
        if longest < max(SHORTEST, tokenizer.num_special_tokens_to_add(False) + 1):
            raise DataError(f"--model {self.model.name}: no row fits into {longest} tokens")
        truncation = tokenizer.truncation or {}
        side = self.tokenizer_config.get("truncation_side") or truncation.get("direction") or "right"
        return TextInput(
            max_tokens=longest,
            pad_id=self._pad_id(tokenizer),
            truncation_side="left" if side == "left" else "right",
            type_ids=type_ids,
        )

    def _limit(self, tokenizer: Tokenizer) -> int | None:
        """Tokens that the model reads, special ones among them; ``None`` if no file says it."""
        named = (
            (tokenizer.truncation or {}).get("max_length"),
            self.tokenizer_config.get("model_max_length"),
            self.config.get("max_position_embeddings"),
        )
        # Some tokenizers state a huge number for none.
        limits = [int(each) for each in named if isinstance(each, int | float) and 0 < each <= 10**6]
        return min([*limits, LONGEST]) if limits else None

    def _pad_id(self, tokenizer: Tokenizer) -> int:
        token = self.tokenizer_config.get("pad_token")
        content = token.get("content") if isinstance(token, Mapping) else token
        named = (
            self.config.get("pad_token_id"),
            (tokenizer.padding or {}).get("pad_id"),
            None if content is None else tokenizer.token_to_id(content),
        )
        return next((each for each in named if isinstance(each, int) and each >= 0), 0)


def read_tokenizer(content: bytes, name: str) -> Tokenizer:
    """Parse a tokenizer's file.

    Raises:
        DataError: it is none.
    """
    try:
        return Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises bare Exception
        raise DataError(f"--tokenizer {name}: not a {TOKENIZER} ({error})") from error


def _model_in(folder: Path) -> Path:
    """The one model of a folder, as optimum writes it."""
    for name in ("model.onnx", "onnx/model.onnx"):
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob("*.onnx"))
    if len(others) == 1:
        return others[0]
    listed = ", ".join(each.name for each in others) or "none"
    raise DataError(f"--model {folder}: expected model.onnx in it ({listed} there); name the file itself")


def _check_head(path: Path, config: Mapping[str, Any]) -> None:
    problem = str(config.get("problem_type"))
    what = {
        "multi_label_classification": "a probability of its own for every label (multi-label)",
        "regression": "a number (regression)",
    }.get(problem)
    if what:
        raise DataError(
            f"--model {path}: it answers with {what}; supported is one label out of two or more: of several "
            "labels give one model and fit one bundle each"
        )


def _first(folders: list[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _json(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"--model: {path} is not readable JSON ({error})") from error
    return content if isinstance(content, dict) else {}
