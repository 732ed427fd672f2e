"""``evenhand steer`` in order: learn a direction and a gate, write them, evaluate the written files."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from evenhand.console import say
from evenhand.training.data.dataset import draft_of, refuse_existing
from evenhand.training.generative import card, figures
from evenhand.training.generative.gated_steering import (
    GatedSteering,
    Mode,
    Steered,
    SteeringSettings,
    block,
    blocks,
    load,
)
from evenhand.training.generative.learn_steering import learn, mean_states
from evenhand.training.generative.options import Common, Steer, card_settings
from evenhand.training.generative.prepared import PreparedBase, prepare
from evenhand.training.generative.scores import drift, likelihoods
from evenhand.typing import Float32s

MODES: tuple[Mode, ...] = ("gated", "always")
STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)


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
    steering, trials = _learnt(prepared, own, (layer, layers))
    draft = draft_of(out)
    steering.save(draft)
    base, values = prepared.base, card_settings(common, own, prepared.base["name"])
    rest = {"settings": values, "counts": prepared.counts, **_measured(prepared, load(draft), trials)}
    contents = card.describe("steering", base, prepared.sources, rest)
    card.write(draft, contents)
    draft.rename(out)
    say(f"wrote {out}")
    return contents


def _learnt(
    prepared: PreparedBase, own: Steer, place: tuple[int, int]
) -> tuple[GatedSteering, list[dict[str, Any]]]:
    """A steering, and the strengths that were tried for it."""
    assert prepared.neutral is not None
    base, (layer, layers) = prepared.base, place
    first = 1.0 if own.strength is None else own.strength
    settings = SteeringSettings(base["name"], base["sha256"], layer, layers, first, own.threshold)
    prompts = prepared.neutral_tokens(prepared.neutral.learn)
    steering = learn(prepared.model, prepared.learn, prompts, settings)
    if own.strength is not None:
        return steering, []
    trials = [_trial(prepared, _at(steering, strength)) for strength in STRENGTHS]
    # Of equal trials the first, which has the smallest strength.
    best = max(trials, key=lambda trial: float(trial["preference_accuracy"]["value"]))
    return _at(steering, best["strength"]), trials


def _at(steering: GatedSteering, strength: float) -> GatedSteering:
    return replace(steering, settings=replace(steering.settings, strength=strength))


def _trial(prepared: PreparedBase, steering: GatedSteering) -> dict[str, Any]:
    """Figures of one strength on the pairs learnt from; one too large makes preferred answers unlikely."""
    strength = steering.settings.strength
    steered = Steered(prepared.model, steering, "always")
    with steered.attached():
        likely = likelihoods(prepared.model, prepared.learn, f"strength {strength:g}", steered.begin)
    return {
        "strength": strength,
        "preference_accuracy": figures.rate(likely.margin > 0),
        "preferred_log_likelihood_per_token": figures.mean(likely.preferred_per_token),
    }


def _measured(
    prepared: PreparedBase, steering: GatedSteering, trials: list[dict[str, Any]]
) -> dict[str, Any]:
    """Figures of a steering on held-out pairs and held-out neutral prompts."""
    assert prepared.neutral is not None
    model, pairs = prepared.model, prepared.held_out
    prompts = prepared.neutral_tokens(prepared.neutral.held_out)
    before = likelihoods(model, pairs, "held-out pairs, base")
    measured: dict[str, Any] = {
        "gate": {**_gate(prepared, steering, prompts), "trials": trials},
        "held_out": {},
        "neutral": {},
    }
    for mode in MODES:
        steered = Steered(model, steering, mode)
        with steered.attached():
            after = likelihoods(model, pairs, f"held-out pairs, {mode}", steered.begin)
        measured["held_out"][mode] = figures.compare(prepared.pairs.held_out, before, after)
        moved = drift(
            model, (nullcontext, steered.attached), prompts, f"neutral prompts, {mode}", steered.begin
        )
        measured["neutral"][mode] = figures.next_token_drift(moved)
    return measured


def _gate(prepared: PreparedBase, steering: GatedSteering, prompts: list[list[int]]) -> dict[str, Any]:
    """How often the gate opens on prompts of held-out pairs and on neutral prompts."""
    settings = steering.settings
    of_pairs = list({tuple(tokens.prompt): tokens.prompt for tokens in prepared.held_out}.values())
    opens = [
        figures.rate(_risks(prepared, steering, rows, f"gate, {name}") >= settings.threshold)
        for name, rows in (("pairs", of_pairs), ("neutral", prompts))
    ]
    return {
        "strength": settings.strength,
        "layer": settings.layer,
        "layers": settings.layers,
        "threshold": settings.threshold,
        "opens_on_pairs": opens[0],
        "opens_on_neutral": opens[1],
    }


def _risks(prepared: PreparedBase, steering: GatedSteering, rows: list[list[int]], what: str) -> Float32s:
    """The gate's risk of prompts, ``(rows,)``."""
    last = mean_states(prepared.model, [(ids, len(ids) - 1) for ids in rows], steering.settings.layer, what)
    risks: Float32s = steering.risk(torch.from_numpy(last)).numpy()
    return risks
