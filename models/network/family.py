"""What is known of a base's architecture: where its blocks, its head and its projections are."""

from __future__ import annotations

from dataclasses import dataclass


class UnsupportedBaseError(ValueError):
    """This base model cannot be cut; the message says why and what can."""


@dataclass(frozen=True)
class Family:
    """Where things are in one architecture, as dotted module paths."""

    blocks: str
    """The ``nn.ModuleList`` of blocks (of stages, in a convolutional net)."""
    head: str
    """The last linear layer; its input is the representation that the contrastive loss shapes."""
    targets: tuple[str, ...]
    """Names of the adapted projections inside a block: query and value as in FairNet."""
    kinds: tuple[str, ...] = ("text", "pair")
    embeddings: str | None = None
    """What the suffix goes around; families that take ``inputs_embeds`` need nothing."""
    enters: str = "inputs_embeds"
    """Argument under which a hidden state enters the suffix."""
    pairs: bool = False
    """Whether a block returns a pair, the hidden state first."""
    maps: bool = False
    """Whether hidden states are feature maps ``(batch, channels, height, width)``."""
    whole: bool = False
    """Whether the second pass is the whole model on the row's inputs, its state at the cut put in place."""
    paths: tuple[str, ...] = ()
    """The blocks in order, for a family that was read off its modules."""
    repeats: bool = False
    """Whether one module is called once per layer."""
    axis: int = 0
    """Axis of the rows in a hidden state."""
    left: bool = False
    """Whether rows are padded at their beginning, as the head reads the last position, padding or not."""


def _bert_like(blocks: str, head: str, query: str, value: str) -> Family:
    return Family(blocks, head, (query, value))


FAMILIES = {
    "bert": _bert_like("bert.encoder.layer", "classifier", "query", "value"),
    "roberta": _bert_like("roberta.encoder.layer", "classifier.out_proj", "query", "value"),
    "xlm-roberta": _bert_like("roberta.encoder.layer", "classifier.out_proj", "query", "value"),
    "camembert": _bert_like("roberta.encoder.layer", "classifier.out_proj", "query", "value"),
    "distilbert": _bert_like("distilbert.transformer.layer", "classifier", "q_lin", "v_lin"),
    # Its query projection also reads relative positions, which belong to no row, so it takes no gate per row.
    "deberta-v2": Family(
        "deberta.encoder.layer", "classifier", ("value_proj", "attention.output.dense"), pairs=True
    ),
    "vit": Family(
        "vit.layers", "classifier", ("q_proj", "v_proj"), ("image",), "vit.embeddings", "pixel_values"
    ),
    "convnext": Family(
        "convnext.encoder.stages",
        "classifier",
        ("pwconv1", "pwconv2"),
        ("image",),
        "convnext.embeddings",
        "pixel_values",
        maps=True,
    ),
    "tabular": Family("blocks", "classifier", ("query", "value"), ("table",), "embeddings", "numeric"),
}
