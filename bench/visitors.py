"""What a bundle says to 40 sentences that a visitor would type, before and after the correction.

``python -m bench.visitors bundles/hate-speech [--list]``

``tests/support/visitor_sentences.jsonl`` holds them: 20 harmless ones that name a group (the last eight speak
of hate or dispute without being hateful), 14 hateful ones, 6 neutral ones. Nothing is learnt from them or
chosen by them; 40 sentences are an impression and no measurement.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.scores import scores
from evenhand.models.bundle.bundle import Bundle, load

SENTENCES = Path(__file__).resolve().parents[1] / "tests" / "support" / "visitor_sentences.jsonl"
HARMLESS, HATEFUL, NEUTRAL = "harmless", "hateful", "neutral"
COUNTS = {
    HARMLESS: "harmless, wrongly called hateful",
    HATEFUL: "hateful, caught",
    NEUTRAL: "neutral, wrongly called hateful",
}


@dataclass(frozen=True)
class Answered:
    """One sentence, and whether it is called hateful."""

    kind: str
    text: str
    base: bool
    """Without correction."""
    served: bool
    """Under the bundle's own modes."""


@dataclass(frozen=True)
class KindCount:
    """How many sentences of a kind are called hateful."""

    kind: str
    rows: int
    base: int
    served: int

    def __str__(self) -> str:
        return f"{COUNTS[self.kind]}: {self.base} -> {self.served} of {self.rows}"


def answer(bundle: Bundle) -> list[Answered]:
    """Every sentence, as the bundle answers it; a label is hateful if it is not a favourable one.

    Raises:
        ValueError: the bundle takes no texts.
    """
    manifest = bundle.manifest
    if manifest.input.kind != "text":
        raise ValueError(f"{manifest.name} takes {manifest.input.kind}; give a bundle that takes texts")
    lines = [json.loads(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    harmless = np.isin(manifest.labels, manifest.favourable)
    of_both = scores(bundle, [line["text"] for line in lines])
    base, served = (~harmless[of.argmax(axis=1)] for of in of_both)
    return [
        Answered(line["kind"], line["text"], bool(before), bool(after))
        for line, before, after in zip(lines, base, served, strict=True)
    ]


def count(answers: list[Answered]) -> list[KindCount]:
    """The counts of each kind, in the order of :data:`COUNTS`."""
    of_kind = {kind: [each for each in answers if each.kind == kind] for kind in COUNTS}
    return [
        KindCount(kind, len(of), sum(each.base for each in of), sum(each.served for each in of))
        for kind, of in of_kind.items()
    ]


def main() -> None:
    """Print the counts, and with ``--list`` every sentence."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--list", action="store_true", help="print every sentence with both answers")
    options = parser.parse_args()
    answers = answer(load(options.bundle))
    for each in answers if options.list else ():
        said = " -> ".join("hateful" if flag else "harmless" for flag in (each.base, each.served))
        print(f"{each.kind:9} {said:22} {each.text}")
    for line in count(answers):
        print(line)


if __name__ == "__main__":
    main()
