"""``evenhand prefer`` in order: learn an adapter, write it, evaluate the written files."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from peft import PeftModel

from evenhand.console import say
from evenhand.training.data.dataset import draft_of, refuse_existing
from evenhand.training.generative import card, dpo, figures, language
from evenhand.training.generative.options import Common, Preference, card_settings
from evenhand.training.generative.prepared import PreparedBase, prepare
from evenhand.training.generative.scores import drift, likelihoods
from evenhand.training.learning.config import fingerprint


def run(
    common: Common, own: Preference, files: tuple[Path, Path | None], out: Path, work: Path
) -> dict[str, Any]:
    """Learn and write an adapter.

    Args:
        common: Base, columns, lengths, seed.
        own: How to learn.
        files: Tables of pairs, and of neutral prompts if there is one.
        out: Folder of the adapter; must not exist.
        work: Folder of checkpoints; a second run with the same settings resumes there.

    Returns:
        The card.

    Raises:
        DataError: the base or a table cannot be used.
    """
    refuse_existing(out)
    dpo.check()
    prepared = prepare(common, *files)
    values = card_settings(common, own, prepared.base["name"])
    key = fingerprint(values, prepared.base, prepared.pairs.source.sha256)
    tuned = dpo.tune(
        prepared.model, prepared.prompt_format, prepared.pairs.learn, (common, own), work / f"dpo-{key[:12]}"
    )
    draft = draft_of(out)
    _save(tuned, draft, prepared.base["name"])
    del tuned
    contents = card.describe(
        "dpo",
        prepared.base,
        prepared.sources,
        {"settings": values, "counts": prepared.counts, **_measured(common, prepared, draft)},
    )
    card.write(draft, contents)
    draft.rename(out)
    say(f"wrote {out}")
    return contents


def _save(tuned: Any, folder: Path, base: str) -> None:  # noqa: ANN401 - PEFT is not typed
    """Write PEFT's files."""
    for config in tuned.peft_config.values():
        config.base_model_name_or_path = base
        config.target_modules = sorted(config.target_modules)
    # Without the last argument PEFT asks the hub about the base's vocabulary.
    tuned.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's template; the folder has its own card


def _measured(common: Common, prepared: PreparedBase, folder: Path) -> dict[str, Any]:
    """Figures of the written adapter on a newly loaded base."""
    say("evaluating the written adapter")
    plain, _ = language.load(common.base, common.precision, common.plain)
    model: Any = PeftModel.from_pretrained(plain, str(folder)).eval()
    with model.disable_adapter():
        before = likelihoods(model, prepared.held_out, "held-out pairs, base")
    after = likelihoods(model, prepared.held_out, "held-out pairs, tuned")
    measured: dict[str, Any] = {
        "held_out": {"tuned": figures.compare(prepared.pairs.held_out, before, after)},
        "neutral": {},
    }
    if prepared.neutral is not None:
        prompts = prepared.neutral_tokens(prepared.neutral.held_out)
        drifts = drift(model, (model.disable_adapter, nullcontext), prompts, "neutral prompts")
        measured["neutral"] = {"tuned": figures.neutral_drift(drifts)}
    return measured
