"""The card of an adapter or a steering: ``card.json`` for programs, ``MODEL_CARD.md`` for people."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from evenhand.stats import in_words as rate
from evenhand.training.generative.figures import MIN_PAIRS
from evenhand.training.generative.pairs import PairsOrigin

LIBRARIES = ("torch", "transformers", "peft", "trl", "scikit-learn", "numpy")
WORDS = {
    "dpo": (
        "Preference tuning (DPO)",
        "A LoRA adapter in PEFT's format, learnt so that the preferred answer of each pair becomes "
        "likelier and the dispreferred one less likely than under the base. The base's weights are not in "
        "this folder and not changed.",
        "Evenhand does not serve it: its service answers for classifiers. Load the folder in a server of "
        "your own that takes PEFT adapters (vLLM: `--enable-lora --lora-modules name=<this folder>`), on "
        "the base named below. Every answer goes through the adapter: there is no gate.",
    ),
    "steering": (
        "Gated steering",
        "A direction (`steering.safetensors`) that is added to the hidden state of one block, from the "
        "prompt's end on, where a linear gate on that hidden state opens. Where it stays closed, logits are "
        "the base's bit for bit.",
        "Evenhand does not serve it: its service answers for classifiers. It needs a hook inside your own "
        "language model server; `evenhand.training.generative.gated_steering.Steered` is that hook for "
        "Transformers.",
    ),
}


def describe(
    method: str, base: Mapping[str, Any], sources: Mapping[str, PairsOrigin], rest: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that a card says.

    Args:
        method: ``dpo`` or ``steering``.
        base: Name and hash of the base.
        sources: What was read, by its use.
        rest: Settings, counts and figures.
    """
    return {
        "method": method,
        "evenhand": importlib.metadata.version("evenhand"),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "base": dict(base),
        "data": {use: asdict(source) for use, source in sources.items()},
        **rest,
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def write(folder: Path, card: Mapping[str, Any]) -> None:
    """Write both files; the card has the hashes of all other files in the folder."""
    files = {file.name: sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}
    (folder / "card.json").write_text(
        json.dumps({**card, "files": files}, indent=2, ensure_ascii=False) + "\n"
    )
    (folder / "MODEL_CARD.md").write_text(markdown(card))


def markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    title, what, serving = WORDS[card["method"]]
    parts = [f"# {title} of {card['base']['name']}", what, "## Serving", serving, "## Held-out pairs"]
    for mode, figures in card["held_out"].items():
        parts += [f"### {mode.capitalize()}", _pairs(figures)]
    if "gate" in card:
        parts += ["## Strength and gate", _gate(card["gate"])]
    parts += ["## Neutral prompts", *(_neutral(mode, drift) for mode, drift in card["neutral"].items())]
    if not card["neutral"]:
        parts.append(
            "**Not measured**: no neutral prompts were given, so nothing is known of what else changed."
        )
    parts += ["## Not shown", _not_shown(), "## Provenance", _provenance(card)]
    return "\n\n".join(parts) + "\n"


def _pairs(figures: Mapping[str, Any]) -> str:
    lines = [
        f"Verdict: **{figures['verdict']}**. Preferred means that the preferred answer is the likelier "
        f"one; 95 % Wilson intervals (the difference: Newcombe, paired); fewer than {MIN_PAIRS} pairs "
        "give no verdict.",
        "",
        "| pairs | preferred, base | final | difference, points | per token: preferred, base | final | "
        "verdict |",
        "|---|---|---|---|---|---|---|",
        _row("all", figures),
        *(_row(name, of) for name, of in figures["groups"].items()),
        "",
        *_between(figures["between_groups"]),
        f"Margin of log-likelihoods: {_change(figures['margin'])}. It rose in "
        f"{rate(figures['margin_rose'])} of the pairs. Log-likelihood of the preferred answer per token: "
        f"{_change(figures['preferred_log_likelihood_per_token'])}; where it falls, the model has also "
        "lost words that it should keep.",
    ]
    return "\n".join(lines)


def _between(between: Mapping[str, Any]) -> list[str]:
    """How far apart groups are, where two are large enough."""
    words = [
        f"{kind} {100 * of['value']:.1f} points ({100 * of['low']:.1f} to {100 * of['high']:.1f}; "
        f"{of['highest']} over {of['lowest']})"
        for kind, of in between.items()
        if of is not None
    ]
    return [f"Largest difference between groups: {', '.join(words)}.", ""] if words else []


def _change(of: Mapping[str, Any]) -> str:
    return f"base {mean(of['base'])}, final {mean(of['final'])}, change {mean(of['change'])}"


def _row(name: str, of: Mapping[str, Any]) -> str:
    whole, token = of["preference_accuracy"], of["preference_accuracy_per_token"]
    shift = whole["difference"]
    moved = f"{100 * shift['value']:+.1f} ({100 * shift['low']:+.1f} to {100 * shift['high']:+.1f})"
    cells: Sequence[str] = (
        rate(whole["base"]),
        rate(whole["final"]),
        moved,
        rate(token["base"]),
        rate(token["final"]),
    )
    return f"| {name} | {' | '.join(cells)} | {of['verdict']} |"


def _gate(gate: Mapping[str, Any]) -> str:
    tried = [
        f"| {trial['strength']:g} | {rate(trial['preference_accuracy'])} | "
        f"{mean(trial['preferred_log_likelihood_per_token'])} |"
        for trial in gate["trials"]
    ]
    head = [
        "",
        "",
        "It is the weakest of those tried that prefer the right answer most often, on the pairs learnt from:",
        "",
        "| strength | preferred | log-likelihood of the preferred answer per token |",
        "|---|---|---|",
    ]
    return (
        f"Strength {gate['strength']:g}; threshold {gate['threshold']:g} on the input of block "
        f"{gate['layer']} of {gate['layers']}. The gate opens on {rate(gate['opens_on_pairs'])} of the "
        f"held-out pairs' prompts and on {rate(gate['opens_on_neutral'])} of the held-out neutral prompts."
        + "\n".join([*head, *tried] if tried else [])
    )


def _neutral(mode: str, of: Mapping[str, Any]) -> str:
    words = (
        f"{mode.capitalize()}, {of['prompts']} held-out prompts: KL(base || final) of the next token's "
        "distribution "
    )
    per_prompt = mean(of["kl_per_prompt"])
    if "perplexity" not in of:
        return f"{words}{per_prompt} nats at the prompt's end; before it nothing changes."
    words += (
        f"{of['kl_per_position']:.5f} nats per position ({of['tokens']} tokens), {per_prompt} per prompt."
    )
    before, after = of["perplexity"]["base"], of["perplexity"]["final"]
    if before is None:
        return words
    return f"{words} Perplexity of the prompts: base {before:.3f}, final {after:.3f}."


def _not_shown() -> str:
    return (
        "Likelihoods of given answers were compared; no text was generated and judged. A pair says what "
        "whoever wrote it finds biased. What holds on these pairs need not hold on prompts of another kind."
    )


def _provenance(card: Mapping[str, Any]) -> str:
    data = "; ".join(
        f"{use} {source['name']} ({source['rows']} rows, SHA-256 "
        f"`{source['sha256']}`{_left_out(source['left_out'])})"
        for use, source in card["data"].items()
    )
    counts = ", ".join(f"{name} {n}" for name, n in card["counts"].items())
    return (
        f"Base {card['base']['name']}, SHA-256 of its weights `{card['base']['sha256']}`. Data: {data}. "
        f"Used: {counts}. Made with Evenhand {card['evenhand']} on {card['created_utc']}. Settings, "
        "library versions and hashes of files are in `card.json`."
    )


def _left_out(reasons: Mapping[str, int]) -> str:
    return "; left out: " + ", ".join(f"{n} {reason}" for reason, n in reasons.items()) if reasons else ""


def mean(of: Mapping[str, Any]) -> str:
    """``1.25 (1.02 to 1.48)``."""
    if of["value"] is None:
        return "unknown"
    return f"{of['value']:.3f}" + ("" if of["low"] is None else f" ({of['low']:.3f} to {of['high']:.3f})")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
