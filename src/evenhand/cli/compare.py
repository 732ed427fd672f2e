"""``evenhand compare``. Light to import: the command loads torch when it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenhand.cli.columns import ItemOptions, MeaningOptions, columns_of
from evenhand.cli.fit_options import refuse_ignored
from evenhand.cli.options import REST, RangesOption, one_line, one_of
from evenhand.cli.target_options import AimOptions, MaxCellLossOption, MaxLossOption, TargetOption
from evenhand.training.learning.config import MIN_TOKENS, SEED_MAX

if TYPE_CHECKING:
    from evenhand.training.data.columns import Columns
    from evenhand.training.data.dataset import Rows, Schema
    from evenhand.training.learning.config import FitConfig

    MethodChoice = tuple[tuple[str, ...], bool, Path | None]
    Source = tuple[Callable[[int], FitConfig], Rows, Schema, str]


def compare(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="Table: .csv, .tsv, .json, .jsonl or .parquet; hub:<data set>; or the recipe's folder."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tables; run again to resume what is in it.")],
    recipe: Annotated[str | None, typer.Option(help="A recipe's rows and settings, e.g. hatexplain.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, comma-separated; each has a base of its own.")] = "0,1,2",
    methods: Annotated[str, typer.Option(help="Methods or stages, comma-separated; all if not given.")] = "",
    base: Annotated[
        str | None, typer.Option(help="Hub id or folder of the pretrained encoder; tables need none.")
    ] = None,
    task: Annotated[str, typer.Option(help="Kind of input: text, pair, image or table.")] = "text",
    text: Annotated[str, typer.Option(help="Column with the text, or the first of a pair.")] = "",
    text_pair: Annotated[str | None, typer.Option(help="Column with the second text of a pair.")] = None,
    image: Annotated[str, typer.Option(help="Column with the image's file name.")] = "",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image files; the table's if not given.", exists=True)
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="Column of a table to learn from; repeatable.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Feature whose numbers or dates are codes; repeatable.")
    ] = None,
    label: Annotated[str, typer.Option(help="Column with the label.")] = "",
    attribute: Annotated[
        list[str] | None, typer.Option(help="Column with a sensitive attribute; repeatable.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Column that says train, val or test.")] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="attribute=group that is not corrected.")
    ] = None,
    intersections: Annotated[list[str] | None, typer.Option(help="first:second, evaluated together.")] = None,
    ranges: RangesOption = None,
    favourable: Annotated[
        list[str] | None, typer.Option(help="Label that is good for the person; must be named.")
    ] = None,
    keep_base: Annotated[
        bool, typer.Option(help="The base is fine-tuned already: leave it as it is.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many epochs of fine-tuning.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=MIN_TOKENS, help="Longer texts are cut.")] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            callback=REST,
            help="Share of training rows that the base does not learn from; above 0 for Evenhand.",
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="bfloat16 or float32, while learning.")] = "bfloat16",
    target: TargetOption = None,
    max_loss: MaxLossOption = None,
    max_cell_loss: MaxCellLossOption = None,
    terms: Annotated[
        Path | None, typer.Option(help="Your own list of terms to swap, JSON; English terms if not given.")
    ] = None,
    ablations: Annotated[
        bool, typer.Option(help="Compare Evenhand with one part left out each time, instead of all methods.")
    ] = False,
) -> None:
    """Compare methods: the same base and splits, several seeds; frontiers, figures, and a recommendation."""
    refuse_ignored(context)
    stage = {
        "epochs": epochs,
        "max_tokens": max_tokens,
        "hold_out": hold_out,
        "precision": one_of("precision", precision, "bfloat16", "float32"),
        "keep": keep_base or None,
    }
    numbers = _seeds(seeds)
    names = tuple(name.strip() for name in methods.split(",") if name.strip())

    aim = AimOptions(target, max_loss, max_cell_loss)
    item = ItemOptions(task, base or "", text, text_pair, image, images, feature, category)
    meaning = MeaningOptions(label, attribute, split, reference, intersections, favourable, ranges)

    def source() -> Source:
        if recipe:
            _refuse_columns(item, meaning)
            config, rows, schema, digest = _recipe(recipe, Path(data), base)
        else:
            if not (label and attribute):
                raise typer.BadParameter("without --recipe: --label and --attribute are needed")
            columns = columns_of(item, meaning)
            config, rows, schema, digest = _table(data, base or "tabular", columns, numbers[0])
        return lambda seed: _adapted(config(seed), stage, aim), rows, schema, digest

    _run(source, numbers, (names, ablations, terms), out)


def _refuse_columns(item: ItemOptions, meaning: MeaningOptions) -> None:
    """A recipe brings its own columns; an option that would be ignored is refused."""
    named = {**asdict(item), **asdict(meaning)}
    ignored = [
        f"--{name.replace('_', '-')}"
        for name, value in named.items()
        if value and name != "base" and (name, value) != ("task", "text")
    ]
    if ignored:
        raise typer.BadParameter(f"--recipe brings its own columns: leave out {', '.join(ignored)}")


def _run(source: Callable[[], Source], seeds: tuple[int, ...], methods: MethodChoice, out: Path) -> None:
    """Run it, and turn errors that a user can correct into one line."""
    from evenhand.models.network.family import UnsupportedBaseError
    from evenhand.reports.benchmark_page import html
    from evenhand.training.baselines.index import compared
    from evenhand.training.baselines.resampling import with_terms
    from evenhand.training.benchmark.outputs import conclude, write
    from evenhand.training.benchmark.runner import Task, run
    from evenhand.training.data.attributes import with_intersections

    with one_line(UnsupportedBaseError):
        config, rows, schema, digest = source()
        rows, schema = with_intersections(rows, schema, config(seeds[0]).columns.intersections)
        names, ablations, terms = methods
        chosen = compared(names, config(seeds[0]).columns.task, schema, ablations)
        task = Task(config, rows, schema, digest, seeds, with_terms(chosen, terms), out)
        comparison = conclude(task, run(task))
        typer.echo(write(comparison))
        (out / "index.html").write_text(html(comparison), encoding="utf-8")


def _recipe(name: str, data: Path, base: str | None) -> Source:
    """Rows and settings of one of ``evenhand.training.recipes``."""
    import importlib
    import pkgutil

    from evenhand.training import recipes

    recipe_names = [
        module.name for module in pkgutil.iter_modules(recipes.__path__) if module.name != "common"
    ]
    if name not in recipe_names:
        raise typer.BadParameter(f"--recipe is one of {', '.join(recipe_names)}")
    module = importlib.import_module(f"evenhand.training.recipes.{name}")
    encoder = base or module.packaged_base()
    rows, schema, digest = module.read(data)
    return lambda seed: module.config(encoder, seed), rows, schema, digest


def _table(data: str, base: str, columns: Columns, seed: int) -> Source:
    """A user's table; without a split column the first seed splits it, once for all seeds."""
    from evenhand.console import say
    from evenhand.training.data.dataset import read
    from evenhand.training.fit.data_card import data_in_words
    from evenhand.training.learning.config import BaseConfig, FitConfig

    rows, schema, digest = read(data, columns, seed)
    for line in data_in_words(rows, schema):
        say(line)
    config = FitConfig(
        name=Path(data.rpartition(":")[2]).stem,
        base=base,
        columns=columns,
        base_stage=BaseConfig.of(columns.task),
    )
    return lambda seed: replace(config, seed=seed), rows, schema, digest


def _adapted(config: FitConfig, stage: dict[str, Any], aim: AimOptions) -> FitConfig:
    """The settings, with the command line's options in their place."""
    options = {name: value for name, value in stage.items() if value is not None}
    correction = replace(
        config.correction, target=aim.adapted(config.correction.target), precision=stage["precision"]
    )
    return replace(config, base_stage=replace(config.base_stage, **options), correction=correction)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(dict.fromkeys(int(seed) for seed in text.split(",")))
    except ValueError:
        raise typer.BadParameter(f"--seeds {text!r} are not numbers separated by commas") from None
    if not all(0 <= seed <= SEED_MAX for seed in seeds):
        raise typer.BadParameter(f"--seeds {text!r}: a seed is a number from 0 to {SEED_MAX}")
    return seeds
