"""``evenhand fit``. Light to import: torch comes with the command, not with ``evenhand --help``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.config import Card


def fit(
    base: Annotated[str, typer.Option(help="Hub id or folder of the base model.")],
    data: Annotated[Path, typer.Option(help="Table: .csv, .jsonl or .parquet.", exists=True, dir_okay=False)],
    text: Annotated[str, typer.Option(help="Column with the text.")],
    label: Annotated[str, typer.Option(help="Column with the label.")],
    attribute: Annotated[list[str], typer.Option(help="Column with a sensitive attribute; repeat for several.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write; must not exist.")],
    task: Annotated[str, typer.Option(help="Kind of input; text in this release.")] = "text",
    name: Annotated[str | None, typer.Option(help="Name of the model; the folder's where not given.")] = None,
    version: Annotated[str, typer.Option(help="Version of the model.")] = "1.0.0",
    split: Annotated[str | None, typer.Option(help="Column that says train, val or test.")] = None,
    reference: Annotated[list[str] | None, typer.Option(help="attribute=group that is not corrected.")] = None,
    favourable: Annotated[list[str] | None, typer.Option(help="Label that is good for the person.")] = None,
    keep_base: Annotated[bool, typer.Option(help="The base is fine-tuned already: leave it as it is.")] = False,
    known: Annotated[float, typer.Option(help="Share of training rows whose attributes may be used.")] = 1.0,
    layer: Annotated[int | None, typer.Option(help="First corrected block; the middle where not given.")] = None,
    pooling: Annotated[str, typer.Option(help="attention, mean or first.")] = "attention",
    max_tokens: Annotated[int, typer.Option(help="Longer texts are cut.")] = 128,
    epochs: Annotated[int, typer.Option(help="At most so many epochs for the base.")] = 3,
    epsilon: Annotated[float, typer.Option(help="Overall accuracy the correction may cost, as a share.")] = 0.005,
    weights: Annotated[str, typer.Option(help="How weights are stored: float32 or float16.")] = "float32",
    seed: Annotated[int, typer.Option(help="Same seed, same bundle (on the same machine and libraries).")] = 0,
    card: Annotated[
        Path | None, typer.Option(help="YAML: description, intended_use, out_of_scope, base_license.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Checkpoints; run again to resume. <out>.work if not given.")
    ] = None,
) -> None:
    """Fit a correction and write a bundle: base, detectors, prototypes, conditional LoRA."""
    from training.config import BaseConfig, Columns, CorrectionConfig, DetectorConfig, FitConfig

    pairs = dict(pair(given) for given in reference or [])
    columns = Columns(text, label, tuple(attribute), split, pairs, tuple(favourable or ()))
    config = FitConfig(
        name=name or out.name,
        base=base,
        columns=columns,
        version=version,
        card=_card(card),
        seed=seed,
        weights=one_of("weights", weights, "float32", "float16"),  # type: ignore[arg-type]
        base_stage=BaseConfig(keep=keep_base, epochs=epochs, max_tokens=max_tokens),
        detector=DetectorConfig(
            layer=layer,
            pooling=one_of("pooling", pooling, "attention", "mean", "first"),  # type: ignore[arg-type]
            known=share("known", known),
        ),
        correction=CorrectionConfig(epsilon=share("epsilon", epsilon)),
    )
    one_of("task", task, "text")
    _run(config, data, out, work or out.with_name(f"{out.name}.work"))


def _run(config: object, data: Path, out: Path, work: Path) -> None:
    """Load the heavy parts, and turn errors a user can mend into one line."""
    from models.backbones import UnsupportedBaseError
    from models.export import ParityError
    from training.config import FitConfig
    from training.data import DataError, read
    from training.fit import run
    from training.progress import say

    assert isinstance(config, FitConfig)
    try:
        rows, schema, digest = read(data, config.columns, config.seed)
        run(config, rows, schema, digest, out, work)
    except (DataError, UnsupportedBaseError, ParityError) as error:
        say(f"[red]error:[/red] {error}")
        raise typer.Exit(1) from error


def pair(given: str) -> tuple[str, str]:
    """``attribute=group`` to its parts, or a refusal."""
    name, found, group = given.partition("=")
    if not found:
        raise typer.BadParameter(f"--reference {given!r} is not attribute=group")
    return name, group


def one_of(option: str, value: str, *known: str) -> str:
    """One of the known values, or a refusal."""
    if value not in known:
        raise typer.BadParameter(f"--{option} is one of {', '.join(known)}")
    return value


def share(option: str, value: float) -> float:
    """A number from 0 to 1, or a refusal."""
    if not 0.0 <= value <= 1.0:
        raise typer.BadParameter(f"--{option} is a share from 0 to 1")
    return value


def _card(path: Path | None) -> Card:
    import yaml

    from training.config import Card

    if path is None:
        return Card()
    try:
        return Card(**yaml.safe_load(path.read_text()))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"--card {path}: {error}") from error
