"""Write docs/reference/bases.md from the tests' classifiers: ``python docs/make_bases.py`` (minutes).

Each is exported to find out which engine runs it. ``--keep-engines`` takes the engines from the page as it
is. A test compares the page, and a slow one fits and serves every base of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "reference/bases.md"
sys.path.insert(0, str(HERE.parent / "tests/support"))
INTRO = """\
<!-- Made by docs/make_bases.py from tests/support/tiny_bases.py: change that, not this page. -->
# Which Hugging Face classifiers can be a base

Slow tests (`make test-all`) fit, serve and correct a tiny random base of each of these families.
Other families are read off their modules in the same way and tried on rows before anything is learnt.
What cannot be served is refused by name and with the reason, before its weights are read where possible.

- **Second pass**: what finishes a flagged row. *From the cut* runs the blocks after the detectors' one.
  *Whole* runs the model on the row's inputs and puts its state at the cut in place.
  In an ONNX graph the blocks before the cut then feed nothing and are dropped, so both cost the same.
- **Adapters**: the projections of the later blocks that carry LoRA weights.
- **Engine**: what runs the tests' bundle: ONNX Runtime, or torch where ONNX cannot take the base.
  Serving then needs the extra `torch`.
  *auto* was not exported for this page: `fit` tries ONNX first and says what it took.

| family | `model_type` | reads | second pass | adapters | engine |
|---|---|---|---|---|---|
"""
OUTRO = """
Refused by name and reason are:

- bases with an encoder and a decoder (T5, BART), and types without a classifier in the library transformers;
- quantised weights, and pictures of other than three channels;
- a head that is no linear layer with one output per label (LeViT);
- with `--keep-base` a multi-label or regression head: supported is one label out of two or more;
- a tokenizer without a fast form, or with more tokens than the base has embeddings;
- an image processor that does something that the encoder does not: both are compared on pictures;
- a base whose answer to a row depends on padding or on the other rows of its batch.

A decoder's head answers at a row's last token that is no padding.
If its configuration names no padding token, one is added to the embeddings: no row contains it or attends to
it, so the base's answers stay the same.
"""


def engines_of_page() -> dict[str, str]:
    """Engine by family, as the page says."""
    cells = [line.strip("|").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {row[0].strip(): row[-1].strip() for row in cells if len(row) == 6 and row[0].strip() != "family"}


def page(engine_of: Callable[[str], str]) -> str:
    """The page, with the engine of each family."""
    from tiny_bases import BASES, tiny_config

    from evenhand.models.network.structure import family_of_config

    lines = []
    for title, base in BASES.items():
        family = family_of_config(tiny_config(title), base.kind)
        second = "whole" if family.whole else "from the cut"
        targets = ", ".join(f"`{name}`" for name in family.targets)
        reads = "texts, pairs" if base.kind == "text" else "images"
        cells = (title, f"`{base.model_type}`", reads, second, targets, engine_of(title))
        lines.append(f"| {' | '.join(cells)} |")
    return INTRO + "\n".join(lines) + "\n" + OUTRO


def engine_of(title: str) -> str:
    """Export a tiny classifier of the family, and see what runs it."""
    import onnxruntime as ort
    from tiny_bases import tiny_classifier, tiny_inputs

    from evenhand.models.network.backbones import SplitModel, block_count, set_up
    from evenhand.models.network.fairnet import FairNet
    from evenhand.models.onnx.torch_export import ExportError, to_onnx

    model = set_up(tiny_classifier(title))
    fairnet = FairNet(SplitModel(model, max(1, block_count(model) // 2)), ("team", "colour"))
    inputs = {name: array.numpy() for name, array in tiny_inputs(title, 5).items()}
    try:
        graph = to_onnx(fairnet, sample=tiny_inputs(title, 3)).SerializeToString()
        ort.InferenceSession(graph).run(["base_logits"], {**inputs, **gates(5)})
    except (ExportError, RuntimeError):
        return "torch"
    return "onnx"


def gates(rows: int) -> dict[str, object]:
    """Every gate open."""
    import numpy as np

    return {"thresholds": np.zeros(2, np.float32), "modes": np.full((rows, 2), 2)}


if __name__ == "__main__":
    kept = engines_of_page() if "--keep-engines" in sys.argv else {}
    PAGE.write_text(page(lambda title: kept.get(title) or engine_of(title)))
