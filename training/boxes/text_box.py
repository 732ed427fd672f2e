"""A fitted text classifier of the user's: its file, or its folder, to a model over token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from evenhand.models.bundle.manifest import TextInput
from evenhand.models.onnx.black_box import BoxError, labels_of, read_model
from evenhand.models.onnx.token_box import token_inputs
from evenhand.training.boxes.box import PICKLES, Box, producer_of, read
from evenhand.training.boxes.text_files import TextFiles, read_tokenizer
from evenhand.training.boxes.vectorizer import SUPPORTED, WordCounts, text_pipeline
from evenhand.training.data.dataset import DataError

SUFFIXES = (".onnx", *PICKLES)


@dataclass(frozen=True, kw_only=True)
class TextBox(Box):
    """A fitted classifier of texts whose inside is nobody's business here."""

    tokenizer: bytes = field(repr=False)
    """The content of ``tokenizer.json``."""
    spec: TextInput
    """How a text becomes ids."""
    words: WordCounts | None = None
    """What the vectorizer of a scikit-learn pipeline counts."""
    rest: Any = field(repr=False, default=None)
    """What follows it."""

    @property
    def ids(self) -> int:
        """How many ids there are, the padding token among them."""
        vocabulary = read_tokenizer(self.tokenizer, self.name).get_vocab()
        return max([self.spec.pad_id, *vocabulary.values()]) + 1

    def _as_fitted(self, table: Sequence[str]) -> Any:  # noqa: ANN401 - what scikit-learn's vectorizers take
        return list(table)


def read_text(path: Path, tokenizer: Path | None = None, max_tokens: int | None = None) -> TextBox:
    """Read a text classifier, once per process as long as its file does not change.

    Args:
        path: A file, or a folder that holds ``model.onnx`` and its tokenizer.
        tokenizer: ``tokenizer.json`` of an ONNX file, where it lies elsewhere.
        max_tokens: Longest row, if the settings say one; else the model's own limit.

    Raises:
        DataError: something is missing, of another kind, does not load, or is no classifier of texts.
    """
    if not path.exists():
        raise DataError(f"--model {path}: no such file or folder")
    if not path.is_dir() and path.suffix not in SUFFIXES:
        raise DataError(
            f"--model {path}: for texts a file ending in {', '.join(SUFFIXES)}, or a folder with model.onnx "
            "and tokenizer.json"
        )
    if path.suffix in PICKLES and (tokenizer is not None or max_tokens is not None):
        option = "--max-tokens" if tokenizer is None else "--tokenizer"
        raise DataError(
            f"{option} does nothing with {path.name}: its vectorizer makes the words, and reads all"
        )
    state = path.stat()
    return _read(path, tokenizer, max_tokens, (state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=2)
def _read(path: Path, tokenizer: Path | None, max_tokens: int | None, _state: tuple[int, int]) -> TextBox:
    if path.suffix in PICKLES:
        return of_pipeline(replace(read(path), name=path.name), f"--model {path}")
    return _onnx(TextFiles.of(path, tokenizer), path.absolute().name, max_tokens)


def of_pipeline(box: Box, where: str) -> TextBox:
    """A fitted classifier as one of texts.

    Args:
        box: The classifier.
        where: What an error calls it.

    Raises:
        DataError: it does not begin with words that a tokenizer can cut.
    """
    parts = text_pipeline(box.estimator)
    if parts is None:
        first = getattr(box.estimator, "steps", [("", box.estimator)])[0][1]
        raise DataError(
            f"{where}: it begins with {type(first).__name__}, which reads no texts here; {SUPPORTED}"
        )
    vectorizer, weights, rest = parts
    words = WordCounts(vectorizer, where, weights)
    content = words.tokenizer.to_str().encode()
    plain = {each.name: getattr(box, each.name) for each in fields(box)}
    return TextBox(**plain, tokenizer=content, spec=words.spec, words=words, rest=rest)


def _onnx(files: TextFiles, name: str, max_tokens: int | None) -> TextBox:
    try:
        model = read_model(files.model.read_bytes(), files.model.parent)
        inputs = token_inputs(model)
    except BoxError as error:
        raise DataError(f"--model {files.model}: {error}") from error
    content = files.tokenizer.read_bytes()
    return TextBox(
        name,
        producer_of(model),
        graph=model,
        labels=labels_of(model) or files.labels,
        tokenizer=content,
        spec=files.spec(content, max_tokens, "token_type_ids" in inputs),
    )
