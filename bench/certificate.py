"""Does the certificate hold? Resplits of validation and test rows, with the fitted and a random detector.

    python bench/certificate.py --recipe hatexplain --data <the recipe's folder> --out runs/certificate

The first stage is learnt once. In every resplit, half of the validation and test rows certify a setting, and
the other half says which of its claims do not hold there: the target's gain, the overall accuracy, the cells.
A certificate may be wrong in at most alpha of the resplits; chance in the other half adds to the share that
is counted. The useless detector gives every row a random risk, and a first stage of its own is learnt on the
rows that it flags.
"""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from evenhand.console import say, track
from evenhand.training.baselines.base import Context, prepare
from evenhand.training.choice import learners
from evenhand.training.choice.candidates import Cuts, Setting, levels_of
from evenhand.training.choice.claims import Claims, Sample
from evenhand.training.choice.select import Chooser, LearntCorrector
from evenhand.training.correctors import named
from evenhand.training.correctors.interface import CorrectorInput
from evenhand.training.learning import distributed


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
        "target": context.target.model_dump(mode="json"),
        "alpha": context.config.correction.alpha_certificate,
        "detector": tried(learnt(context), resplits),
        "random risk": tried(useless(context), resplits),
    }
    (out / "certificate.json").write_text(json.dumps(results, indent=1) + "\n")
    for name in ("detector", "random risk"):
        of: Any = results[name]
        typer.echo(f"{name}: certified {of['certified']} of {of['resplits']}, wrong {of['wrong']}")


def learnt(context: Context) -> Chooser:
    """The recipe's own detectors and first stage."""
    material, folder = context.material, context.folder / "ours"
    (learner,) = learners.learners_of(context.config, context.split, material, folder)
    fairnet, risk, _ = learners.learn(learner, context.config, context.split, material, folder)
    own = replace(material, rows=learner.rows, schema=learner.schema)
    method = named(context.config.correction.method)
    fresh = learners.fresh_rows(learner, method)
    of_learner = LearntCorrector(fairnet.correction, method, risk, learner.lesson.targets, fresh)
    return Chooser(of_learner, own, context.config.correction)


def useless(context: Context) -> Chooser:
    """A first stage learnt on rows that a random risk flags."""
    config, material, stage = context.config, context.material, context.config.correction
    (learner,) = learners.learners_of(config, context.split, material, context.folder / "ours")
    own = replace(material, rows=learner.rows, schema=learner.schema)
    method, members = named(stage.method), learner.lesson.targets
    correction = method.make(context.split(), tuple(learner.schema.gated), config=stage)
    risk = np.random.default_rng(config.seed).random(members.shape, dtype=np.float32)
    lowest = Cuts(risk, members, learner.rows).thresholds((max(levels_of(stage)),) * members.shape[1])
    inputs = CorrectorInput(own, risk >= np.array(lowest), risk, members, stage, context.folder / "useless")
    method.learn(correction, inputs)
    of_learner = LearntCorrector(correction, method, risk, members, own.rows.of("tune"))
    return Chooser(of_learner, own, stage)


def tried(chooser: Chooser, resplits: int) -> dict[str, Any]:
    """Certify on one half and evaluate on the other, for every resplit."""
    rows, alpha = chooser.rows, chooser.config.alpha_certificate
    order, both, each = rows.of("tune"), rows.of("val", "test"), []
    for index in track(range(resplits), resplits, "resplits"):
        drawn = np.random.default_rng(1000 + index).permutation(both)
        certify, fresh = np.sort(drawn[: len(drawn) // 2]), np.sort(drawn[len(drawn) // 2 :])
        choice = chooser.choose(order, certify, alpha)
        each.append(
            {
                "certified": choice.certified,
                "broken": broken_on(chooser, choice.setting, order, fresh) if choice.certified else [],
                **choice.plain(),
            }
        )
    certified = sum(one["certified"] for one in each)
    wrong = sum(bool(one["broken"]) for one in each)
    say(f"certified {certified} of {resplits}, wrong {wrong}")
    return {"resplits": resplits, "certified": certified, "wrong": wrong, "each": each}


def broken_on(chooser: Chooser, setting: Setting, order: np.ndarray, fresh: np.ndarray) -> list[str]:
    """The claims about a setting that do not hold on fresh rows, with what they hold by."""
    sample = Sample(chooser.rows, chooser.schema, chooser.base, order, fresh)
    claims = Claims(sample, chooser.target, chooser.config.alpha_certificate)
    tested = claims.test(chooser.predict(setting, order), chooser.predict(setting, fresh))
    return [f"{claim.said}: {100 * claim.margin:+.2f} points" for claim in tested if claim.margin < 0.0]


if __name__ == "__main__":
    typer.run(main)
