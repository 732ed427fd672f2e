"""Does the certificate hold? Resplits of validation and test rows, with the fitted and a random detector.

    python bench/certificate.py --recipe hatexplain --data <the recipe's folder> --out runs/certificate

Adapters are learnt once. In every resplit, half of the validation and test rows certify a setting and the
other half says whether it loses more than the tolerance. A certificate may be wrong in at most alpha of them.
The useless detector gives every row a random risk, and adapters of its own are learnt on the rows that it
flags.
"""

import importlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from evenhand.console import say, track
from evenhand.models.network.fairnet import FairNet
from evenhand.training.baselines.base import Context, prepare
from evenhand.training.choice import learners
from evenhand.training.choice.candidates import LEVELS, Cuts
from evenhand.training.choice.select import Chooser
from evenhand.training.correctors.lora import LORA
from evenhand.training.learning import adapters, distributed


def main(
    data: Annotated[Path, typer.Option(help="Folder with the recipe's data.", exists=True)],
    out: Annotated[
        Path, typer.Option(help="Folder of checkpoints and of certificate.json; run again to resume.")
    ],
    recipe: Annotated[str, typer.Option(help="A recipe's rows and settings.")] = "hatexplain",
    seed: Annotated[int, typer.Option(help="Seed of base, adapters and resplits.")] = 0,
    resplits: Annotated[int, typer.Option(help="How often to draw halves.")] = 20,
) -> None:
    """Count the certificates, and the wrong ones among them."""
    distributed.deterministic()
    module = importlib.import_module(f"evenhand.training.recipes.{recipe}")
    rows, schema, digest = module.read(data)
    context = prepare(module.config(module.packaged_base(), seed), rows, schema, digest, out / "work")
    results = {
        "recipe": recipe,
        "seed": seed,
        "epsilon": context.config.correction.epsilon,
        "alpha": context.config.correction.alpha_certificate,
        "detector": tried(context, learnt(context), resplits),
        "random risk": tried(context, useless(context), resplits),
    }
    (out / "certificate.json").write_text(json.dumps(results, indent=1) + "\n")
    for name in ("detector", "random risk"):
        of: Any = results[name]
        typer.echo(f"{name}: certified {of['certified']} of {of['resplits']}, wrong {of['wrong']}")


def learnt(context: Context) -> Chooser:
    """The recipe's own detectors and adapters."""
    material, folder = context.material, context.folder / "ours"
    (learner,) = learners.learners_of(context.config, context.split, material, folder)
    fairnet, risk, _ = learners.learn(learner, context.config, context.split, material, folder)
    own = replace(material, rows=learner.rows, schema=learner.schema)
    return Chooser(fairnet.correction, own, risk, learner.lesson.targets, scored_rows(context))


def useless(context: Context) -> Chooser:
    """Adapters learnt on rows that a random risk flags."""
    config, material = context.config, context.material
    (learner,) = learners.learners_of(config, context.split, material, context.folder / "ours")
    own = replace(material, rows=learner.rows, schema=learner.schema)
    torch.manual_seed(config.seed)
    lora = config.correction
    make = partial(LORA.make, config=lora)
    fairnet = FairNet(context.split(), tuple(learner.schema.gated), config.detector.pooling, make)
    shape = (len(learner.rows), len(learner.schema.gated))
    risk = np.random.default_rng(config.seed).random(shape, dtype=np.float32)
    lowest = Cuts(risk, learner.lesson.targets, learner.rows).thresholds((max(LEVELS),) * shape[1])
    adapters.learn(fairnet.correction, own, risk >= np.array(lowest), lora, context.folder / "useless")
    return Chooser(fairnet.correction, own, risk, learner.lesson.targets, scored_rows(context))


def scored_rows(context: Context) -> np.ndarray:
    """Rows that order, certify or evaluate."""
    return context.rows.of("tune", "val", "test")


def tried(context: Context, chooser: Chooser, resplits: int) -> dict[str, Any]:
    """Certify on one half and evaluate on the other, for every resplit."""
    rows, lora = context.rows, context.config.correction
    both, each = rows.of("val", "test"), []
    for index in track(range(resplits), resplits, "resplits"):
        drawn = np.random.default_rng(1000 + index).permutation(both)
        certify, scored = np.sort(drawn[: len(drawn) // 2]), np.sort(drawn[len(drawn) // 2 :])
        choice = chooser.choose(rows.of("tune"), certify, lora)
        truth = rows.labels[scored]
        before = float((chooser.base[scored] == truth).mean())
        after = float((chooser.predict(choice.setting, scored) == truth).mean())
        each.append({"certified": choice.certified, "change": after - before, **choice.plain()})
    certified = [one for one in each if one["certified"]]
    wrong = sum(one["change"] < -lora.epsilon for one in certified)
    say(f"certified {len(certified)} of {resplits}, wrong {wrong}")
    return {"resplits": resplits, "certified": len(certified), "wrong": wrong, "each": each}


if __name__ == "__main__":
    typer.run(main)
