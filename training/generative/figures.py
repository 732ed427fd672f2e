"""Figures of held-out pairs and neutral prompts: rates with Wilson intervals, means with t intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import exp, sqrt
from typing import Any

import numpy as np
from scipy import stats

from evenhand.stats import Rate, difference, paired_difference
from evenhand.training.generative.pairs import Pair
from evenhand.training.generative.scores import Drift, Likelihoods
from evenhand.typing import Bools, Float64s

MIN_PAIRS = 30
"""Fewer pairs than these are listed, and never give a verdict."""


def compare(pairs: Sequence[Pair], base: Likelihoods, final: Likelihoods) -> dict[str, Any]:
    """Compare held-out pairs before and after, all of them and per group.

    Args:
        pairs: The held-out pairs.
        base: Their likelihoods under the base.
        final: Their likelihoods under the tuned or steered model.
    """
    names = sorted({pair.group for pair in pairs if pair.group is not None})
    members = {name: np.array([pair.group == name for pair in pairs]) for name in names}
    return {
        **_figures(base, final, np.ones(len(pairs), bool)),
        "groups": {name: _figures(base, final, rows) for name, rows in members.items()},
        "between_groups": {
            kind: _widest({name: Rate.of(of.margin[rows] > 0) for name, rows in members.items()})
            for kind, of in (("base", base), ("final", final))
        },
    }


def neutral_drift(drift: Drift) -> dict[str, Any]:
    """Perplexity of both models, and the divergence per position and per prompt, in nats."""
    scored = int(np.maximum(drift.tokens - 1, 0).sum())
    return {
        "prompts": len(drift.tokens),
        "tokens": int(drift.tokens.sum()),
        "perplexity": {
            "base": exp(drift.base_loss.sum() / scored) if scored else None,
            "final": exp(drift.final_loss.sum() / scored) if scored else None,
        },
        "kl_per_position": float(drift.divergence.sum() / drift.tokens.sum()),
        "kl_per_prompt": mean(drift.divergence),
    }


def next_token_drift(drift: Drift) -> dict[str, Any]:
    """Divergence of the next token at a prompt's end, for a model that changes nothing before it."""
    return {"prompts": len(drift.tokens), "kl_per_prompt": mean(drift.divergence)}


def rate(hits: Bools) -> dict[str, Any]:
    """A share with its count and interval, as plain values."""
    return asdict(Rate.of(hits))


def mean(values: Float64s) -> dict[str, Any]:
    """A mean with its count and 95 % t interval, which needs two values."""
    n = len(values)
    if n < 2:
        return {"n": n, "value": float(values.mean()) if n else None, "low": None, "high": None}
    half = float(stats.t.ppf(0.975, n - 1)) * float(values.std(ddof=1)) / sqrt(n)
    return {
        "n": n,
        "value": float(values.mean()),
        "low": float(values.mean()) - half,
        "high": values.mean() + half,
    }


def _figures(base: Likelihoods, final: Likelihoods, chosen: Bools) -> dict[str, Any]:
    """Of some pairs."""
    rose = final.margin[chosen] > base.margin[chosen]
    whole = _preferred(base.margin[chosen], final.margin[chosen])
    return {
        "preference_accuracy": whole,
        "preference_accuracy_per_token": _preferred(
            base.margin_per_token[chosen], final.margin_per_token[chosen]
        ),
        "margin": _means(base.margin[chosen], final.margin[chosen]),
        "margin_rose": rate(rose),
        "preferred_log_likelihood_per_token": _means(
            base.preferred_per_token[chosen], final.preferred_per_token[chosen]
        ),
        "verdict": _verdict(whole["difference"]),
    }


def _means(base: Float64s, final: Float64s) -> dict[str, Any]:
    return {"base": mean(base), "final": mean(final), "change": mean(final - base)}


def _preferred(base: Float64s, final: Float64s) -> dict[str, Any]:
    """How often the preferred answer is the likelier one; a tie does not count."""
    return {
        "base": rate(base > 0),
        "final": rate(final > 0),
        "difference": paired_difference(base > 0, final > 0),
    }


def _widest(rates: dict[str, Rate]) -> dict[str, Any] | None:
    """Largest difference of preference accuracy between two large enough groups; ``None`` for fewer."""
    enough = [name for name, of in rates.items() if of.n >= MIN_PAIRS]
    if len(enough) < 2:
        return None
    order = sorted(enough, key=lambda name: rates[name].value or 0.0)
    return {"highest": order[-1], "lowest": order[0], **difference(rates[order[-1]], rates[order[0]])}


def _verdict(change: dict[str, Any]) -> str:
    if change["n"] < MIN_PAIRS:
        return "insufficient data"
    if change["low"] > 0:
        return "preference accuracy rose"
    return (
        "preference accuracy fell" if change["high"] < 0 else "no evidence that preference accuracy changed"
    )
