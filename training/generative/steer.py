"""``evenhand steer`` in order: learn a direction and a gate, write them, judge what was written."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from training.generative import card, judge
from training.generative.config import Common, Steer, settings
from training.generative.learn_steering import learn, mean_states
from training.generative.prepared import Prepared, draft_of, prepare
from training.generative.scores import drift, margins
from training.generative.steering import Mode, Steered, Steering, Where, block, blocks, load
from training.lowered import refuse_existing
from training.progress import say

MODES: tuple[Mode, ...] = ("gated", "always")


def run(common: Common, own: Steer, files: tuple[Path, Path], out: Path) -> dict[str, Any]:
    """Learn and write a steering.

    Args:
        common: Base, columns, lengths, seed.
        own: Layer, strength, threshold.
        files: Tables of pairs and of neutral prompts.
        out: Folder of the steering; must not exist.

    Returns:
        The card.

    Raises:
        DataError: the base or a table cannot be used.
    """
    refuse_existing(out)
    prepared = prepare(common, *files)
    layers = len(blocks(prepared.model))
    layer = layers // 2 if own.layer is None else own.layer
    block(prepared.model, layer)
    base = prepared.base
    where = Where(base["name"], base["sha256"], layer, layers, own.strength, own.threshold)
    assert prepared.neutral is not None
    steering = learn(prepared.model, prepared.learn, prepared.neutral_tokens(prepared.neutral.learn), where)
    draft = draft_of(out)
    steering.save(draft)
    told = settings(common, own, base["name"])
    counts = {**prepared.counts, "neutral prompts learnt from": len(prepared.neutral.learn)}
    rest = {"settings": told, "counts": counts, **_judged(prepared, load(draft))}
    found = card.describe("steering", base, prepared.sources, rest)
    card.write(draft, found)
    draft.rename(out)
    say(f"wrote {out}")
    return found


def _judged(prepared: Prepared, steering: Steering) -> dict[str, Any]:
    """Figures of a steering on held-out pairs and held-out neutral prompts."""
    assert prepared.neutral is not None
    model, pairs = prepared.model, prepared.held_out
    prompts = prepared.neutral_tokens(prepared.neutral.held_out)
    before = margins(model, pairs, "held-out pairs, base")
    found: dict[str, Any] = {"gate": _gate(prepared, steering, prompts), "held_out": {}, "neutral": {}}
    for mode in MODES:
        steered = Steered(model, steering, mode)
        with steered.attached():
            after = margins(model, pairs, f"held-out pairs, {mode}", steered.begin)
        found["held_out"][mode] = judge.compare(prepared.pairs.held_out, before, after)
        moved = drift(model, (nullcontext, steered.attached), prompts, f"neutral prompts, {mode}", steered.begin)
        found["neutral"][mode] = judge.neutral_drift(moved)
    return found


def _gate(prepared: Prepared, steering: Steering, prompts: list[list[int]]) -> dict[str, Any]:
    """How often the gate opens where it should, and where it should not."""
    where = steering.where
    of_pairs = list({tuple(tokens.prompt): tokens.prompt for tokens in prepared.held_out}.values())
    opens = [
        judge.rate(_risks(prepared, steering, rows, f"gate, {name}") >= where.threshold)
        for name, rows in (("pairs", of_pairs), ("neutral", prompts))
    ]
    return {
        "layer": where.layer,
        "layers": where.layers,
        "threshold": where.threshold,
        "opens_on_pairs": opens[0],
        "opens_on_neutral": opens[1],
    }


def _risks(prepared: Prepared, steering: Steering, rows: list[list[int]], what: str) -> Any:  # noqa: ANN401
    """The gate's risk of prompts, ``(rows,)``."""
    last = mean_states(prepared.model, [(ids, len(ids) - 1) for ids in rows], steering.where.layer, what)
    return steering.risk(torch.from_numpy(last)).numpy()
