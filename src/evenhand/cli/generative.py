"""``evenhand prefer`` and ``evenhand steer``. Light to import: the commands load torch when they run."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from evenhand.cli.options import FINITE, PART, POSITIVE, SHARE
from evenhand.training.learning.config import SEED_MAX

TOO_SMALL = (
    "the device's memory is too small: lower --max-tokens (and --batch-rows of prefer), or try bfloat16"
)


class Computing(StrEnum):
    """Numbers that the base computes with."""

    float32 = "float32"
    bfloat16 = "bfloat16"


Table = Annotated[
    Path, typer.Option(help="Pairs: .csv, .tsv, .json, .jsonl or .parquet.", exists=True, dir_okay=False)
]
Base = Annotated[str, typer.Option(help="Hub id or folder of a causal language model, in safetensors.")]
Out = Annotated[Path, typer.Option(help="Folder to write; must not exist.")]
Prompt = Annotated[str, typer.Option(help="Column with the prompt, in both tables.")]
Preferred = Annotated[str, typer.Option(help="Column with the preferred answer.")]
Dispreferred = Annotated[str, typer.Option(help="Column with the biased answer.")]
Group = Annotated[
    str | None, typer.Option(help="Column that says whom the pair is about: figures per group.")
]
Split = Annotated[
    str | None, typer.Option(help="Column that says train or test; prompts are split at random if not given.")
]
HoldOut = Annotated[
    float, typer.Option(callback=PART, help="Share of prompts for evaluation, not learnt from.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Plain text, even if the base has a chat template.")]
MaxTokens = Annotated[int, typer.Option(min=2, help="Longer pairs are left out, and counted.")]
Precision = Annotated[Computing, typer.Option(help="Numbers that the base computes with.")]
Seed = Annotated[
    int, typer.Option(min=0, max=SEED_MAX, help="Same seed, same result (on the same machine and libraries).")
]


def prefer(
    data: Table,
    base: Base,
    out: Out,
    neutral: Annotated[
        Path | None,
        typer.Option(help="Table of neutral prompts, to measure drift.", exists=True, dir_okay=False),
    ] = None,
    prompt: Prompt = "prompt",
    preferred: Preferred = "preferred",
    dispreferred: Dispreferred = "dispreferred",
    group: Group = None,
    split: Split = None,
    hold_out: HoldOut = 0.2,
    plain: Plain = False,
    max_tokens: MaxTokens = 1024,
    precision: Precision = Computing.float32,
    beta: Annotated[
        float, typer.Option(callback=POSITIVE, help="DPO: penalty for moving away from the base.")
    ] = 0.1,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 16,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the pairs.")] = 3,
    learning_rate: Annotated[float, typer.Option(callback=POSITIVE, help="Highest learning rate.")] = 1e-5,
    batch_rows: Annotated[int, typer.Option(min=1, help="Pairs per step.")] = 8,
    seed: Seed = 0,
    work: Annotated[
        Path | None, typer.Option(help="Checkpoints; run again to resume. <out>.work if not given.")
    ] = None,
) -> None:
    """Tune a language model against biased answers: pairs to a LoRA adapter, by DPO. Not served."""

    def start() -> dict[str, Any]:
        from evenhand.training.generative import prefer as recipe
        from evenhand.training.generative.options import Common, Preference
        from evenhand.training.generative.pairs import PairColumns

        columns = PairColumns(prompt, preferred, dispreferred, group, split)
        common = Common(base, columns, plain, precision.value, max_tokens, hold_out, seed)
        own = Preference(beta, rank, 2 * rank, epochs, learning_rate, batch_rows)
        return recipe.run(common, own, (data, neutral), out, work or out.with_name(f"{out.name}.work"))

    _show(_or_one_line(start))


def steer(
    data: Table,
    base: Base,
    neutral: Annotated[
        Path, typer.Option(help="Table of neutral prompts, for the gate.", exists=True, dir_okay=False)
    ],
    out: Out,
    layer: Annotated[
        int | None, typer.Option(min=0, help="Block to steer; the middle one if not given.")
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            callback=FINITE,
            help="In multiples of the mean difference; chosen on training pairs if not given.",
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(callback=SHARE, help="Risk from which on the gate opens.")
    ] = 0.5,
    prompt: Prompt = "prompt",
    preferred: Preferred = "preferred",
    dispreferred: Dispreferred = "dispreferred",
    group: Group = None,
    split: Split = None,
    hold_out: HoldOut = 0.2,
    plain: Plain = False,
    max_tokens: MaxTokens = 1024,
    precision: Precision = Computing.float32,
    seed: Seed = 0,
) -> None:
    """Steer a language model away from biased answers, by a gate: pairs to direction and gate. Not served."""

    def start() -> dict[str, Any]:
        from evenhand.training.generative import steer as recipe
        from evenhand.training.generative.options import Common, Steer
        from evenhand.training.generative.pairs import PairColumns

        columns = PairColumns(prompt, preferred, dispreferred, group, split)
        common = Common(base, columns, plain, precision.value, max_tokens, hold_out, seed)
        return recipe.run(common, Steer(layer, strength, threshold), (data, neutral), out)

    _show(_or_one_line(start))


def _or_one_line(start: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run it, and turn errors that a user can correct into one line."""
    import torch

    from evenhand.console import say_error
    from evenhand.training.data.dataset import DataError

    try:
        return start()
    except (DataError, OSError, torch.OutOfMemoryError) as error:
        full = isinstance(error, torch.OutOfMemoryError)
        say_error(TOO_SMALL if full else error)
        raise typer.Exit(1) from error


def _show(card: dict[str, Any]) -> None:
    """The figures of the card."""
    from rich.console import Console
    from rich.table import Table as Grid

    from evenhand.stats import in_words as rate
    from evenhand.training.generative.card import mean

    grid = Grid("held-out pairs", "preferred, base", "preferred, final", "change of margin", "verdict")
    for mode, figures in card["held_out"].items():
        whole = figures["preference_accuracy"]
        change = mean(figures["margin"]["change"])
        grid.add_row(mode, rate(whole["base"]), rate(whole["final"]), change, figures["verdict"])
    Console().print(grid)
