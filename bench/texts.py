"""Texts to send: real posts if available, else this repository's sentences; and the base's answers."""

from __future__ import annotations

import json
import os
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peers.shared.base_model import BaseModel

ROOT = Path(__file__).parent.parent
FILE = "hatexplain.jsonl"
VARIABLE = "EVENHAND_DATA"
NEAR_TIE = 0.01
"""Rows whose probability is this close to one half may change their label with the batch's padding."""


@dataclass(frozen=True, slots=True)
class Text:
    """One row to ask about."""

    text: str
    label: str | None
    """The base model's answer; ``None`` where it is nearly a tie."""


def file_of(data: Path | None) -> Path | None:
    """The file of real posts, or ``None`` where there is none and our own pages have to do.

    Args:
        data: A JSONL file with ``text`` and ``split``, or the folder of one; it must be there if it is given.
    """
    path = data or Path(os.environ.get(VARIABLE) or os.devnull)
    file = path / FILE if path.is_dir() else path
    if data and not file.is_file():
        raise SystemExit(f"error: no file {file}; --data takes {FILE} or its folder, or leave it out")
    return file if file.is_file() else None


def read(data: Path | None) -> list[str]:
    """Test posts of ``data`` or of ``EVENHAND_DATA``; sentences of the documentation where there are none."""
    file = file_of(data)
    if file is None:
        return sentences()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    texts = [row["text"] for row in rows if row.get("split", "test") == "test"]
    if not texts:
        raise SystemExit(f"error: {file} has no row of the split test")
    return texts


def sentences() -> list[str]:
    """Sentences and paragraphs of 3 to 55 words, as posts have, in a shuffled order."""
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs/adr").glob("*.md"))]
    words = "\n\n".join(page.read_text() for page in pages)
    parts = re.split(r"[.|:;\n]{1,}\s", words) + words.split("\n\n")
    cleaned = [" ".join(re.findall(r"[a-z']+", part.lower())) for part in parts]
    texts = [text for text in dict.fromkeys(cleaned) if 3 <= len(text.split()) <= 55]
    random.Random(0).shuffle(texts)
    return texts


def answered(texts: list[str], model: BaseModel) -> list[Text]:
    """What the base model itself says about every text, in batches of like length."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    labels: list[str | None] = [None] * len(texts)
    for chunk in np.array_split(order, max(1, len(order) // 32)):
        for index, answer in zip(chunk, model.predict([texts[index] for index in chunk]), strict=True):
            labels[index] = str(answer["label"]) if abs(float(answer["score"]) - 0.5) > NEAR_TIE else None
    return [Text(text, label) for text, label in zip(texts, labels, strict=True)]
