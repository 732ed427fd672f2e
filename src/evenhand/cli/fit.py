"""``evenhand fit``. Light to import: the command loads torch when it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from evenhand.cli.columns import ItemOptions, MeaningOptions, columns_of
from evenhand.cli.dry_run import show
from evenhand.cli.fit_labels import fit_each
from evenhand.cli.fit_options import refuse_ignored
from evenhand.cli.options import PART, SOME, RangesOption, one_line, one_of
from evenhand.cli.target_options import AimOptions, MaxCellLossOption, MaxLossOption, TargetOption
from evenhand.training.learning.config import MIN_TOKENS, SEED_MAX

if TYPE_CHECKING:
    from evenhand.tables.table import Table
    from evenhand.training.learning.config import Card, FitConfig


def fit(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="Table: .csv, .tsv, .json, .jsonl or .parquet; or hub:<data set>[:<configuration>]."
        ),
    ],
    label: Annotated[
        list[str],
        typer.Option(help="Column with the label; repeat for several labels, one bundle <out>/<label> each."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write; must not exist.")],
    attribute: Annotated[
        list[str] | None, typer.Option(help="Column with a sensitive attribute; repeat for several.")
    ] = None,
    base: Annotated[str, typer.Option(help="Hub id or folder of the base model; tables need none.")] = "",
    model: Annotated[
        Path | None,
        typer.Option(
            help="A fitted classifier as the base: .onnx, .joblib or .pkl (scikit-learn and alike), "
            ".ubj or .json (XGBoost), .txt (LightGBM), .cbm (CatBoost); of texts .onnx, .joblib, .pkl or a "
            "folder of model.onnx and tokenizer.json. A pickle runs its code."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="With an ONNX model of texts: its tokenizer.json, if it lies elsewhere."),
    ] = None,
    model_label: Annotated[
        list[str] | None,
        typer.Option(help="With --model: the label of its first score, then its second, and so on."),
    ] = None,
    task: Annotated[str, typer.Option(help="Kind of input: text, pair, image or table.")] = "text",
    text: Annotated[str, typer.Option(help="Column with the text, or the first of a pair.")] = "",
    text_pair: Annotated[str | None, typer.Option(help="Column with the second text of a pair.")] = None,
    image: Annotated[str, typer.Option(help="Column with the image's file name.")] = "",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image files; the table's if not given.", exists=True)
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of a table to learn from; repeatable. Without it all but ids, dates, leaks."
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(help="Feature whose numbers or dates are codes: each value by itself; repeatable."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model; the folder's name if not given.")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the model.")] = "1.0.0",
    split: Annotated[str | None, typer.Option(help="Column that says train, val or test.")] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="attribute=group that is not corrected.")
    ] = None,
    ranges: RangesOption = None,
    favourable: Annotated[
        list[str] | None,
        typer.Option(
            help="Label that is good for the person; must be named. Of several labels: label=value, or value."
        ),
    ] = None,
    keep_base: Annotated[
        bool, typer.Option(help="The base is fine-tuned already: leave it as it is.")
    ] = False,
    attributes_known: Annotated[
        str, typer.Option(help="full, partial or none: which attributes to learn from.")
    ] = "full",
    known_share: Annotated[
        float,
        typer.Option("--known", callback=SOME, help="With partial: share of rows whose attributes are used."),
    ] = 1.0,
    intersections: Annotated[
        list[str] | None, typer.Option(help="first:second, evaluated like an attribute.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="lora (FairNet), another corrector, or how to train the base: docs/methods. "
            "offsets with --model, if not given."
        ),
    ] = None,
    gate: Annotated[
        str, typer.Option(help="detector: correct rows that it flags; always: all rows.")
    ] = "detector",
    shared: Annotated[bool, typer.Option(help="One detector and adapter for all attributes.")] = False,
    layer: Annotated[
        str | None, typer.Option(help="First corrected block, or auto; the middle if not given.")
    ] = None,
    pooling: Annotated[str, typer.Option(help="attention, mean or first.")] = "attention",
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=MIN_TOKENS, help="Longer texts are cut; 128 if not given, or what a --model itself reads."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many epochs for the base; 3 if not given, 6 for tables."),
    ] = None,
    hold_out: Annotated[
        float, typer.Option(callback=PART, help="Share of training rows that the base does not learn from.")
    ] = 1 / 3,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16, while learning.")] = "float32",
    target: TargetOption = None,
    max_loss: MaxLossOption = None,
    max_cell_loss: MaxCellLossOption = None,
    certificate: Annotated[
        bool,
        typer.Option(
            help="Without a certificate the correction is off; --no-certificate takes the best anyway."
        ),
    ] = True,
    weights: Annotated[str, typer.Option(help="How weights are stored: float32 or float16.")] = "float32",
    engine: Annotated[
        str, typer.Option(help="onnx, torch, or auto: torch only for a base that ONNX cannot take.")
    ] = "auto",
    seed: Annotated[
        int,
        typer.Option(min=0, max=SEED_MAX, help="Same seed, same bundle (on the same machine and libraries)."),
    ] = 0,
    card: Annotated[
        Path | None, typer.Option(help="YAML: description, intended_use, out_of_scope, base_license.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Checkpoints; run again to resume. <out>.work if not given.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the data could prove, and learn nothing.")
    ] = False,
) -> None:
    """Fit a correction and write a bundle: base, detectors, prototypes, conditional LoRA."""
    from evenhand.training.learning.config import (
        BaseConfig,
        BoxConfig,
        CorrectionConfig,
        DetectorConfig,
        FitConfig,
        TargetConfig,
    )

    one_of("task", task, "text", "pair", "image", "table")
    refuse_ignored(context)
    columns = columns_of(
        ItemOptions(task, base or str(model or ""), text, text_pair, image, images, feature, category),
        MeaningOptions(label[0], attribute, split, reference, intersections, favourable, ranges),
    )
    usual = BaseConfig.of(task)
    computing: Any = one_of("precision", precision, "float32", "bfloat16")
    opens: Any = one_of("gate", gate, "detector", "always")
    config = FitConfig(
        name=name or out.name,
        base=base or (str(model) if model else "tabular"),
        box=BoxConfig(
            str(model),
            tuple(model_label or ()),
            tokenizer=str(tokenizer) if tokenizer else None,
            max_tokens=max_tokens,
        )
        if model
        else None,
        columns=columns,
        version=version,
        card=_card(card),
        seed=seed,
        weights=one_of("weights", weights, "float32", "float16"),  # type: ignore[arg-type]
        engine=one_of("engine", engine, "auto", "onnx", "torch"),  # type: ignore[arg-type]
        base_stage=replace(
            usual,
            keep=keep_base or model is not None,
            epochs=epochs or usual.epochs,
            max_tokens=max_tokens or usual.max_tokens,
            precision=computing,
            hold_out=hold_out,
        ),
        detector=replace(
            DetectorConfig.of(box=model is not None),
            layer=_layer(layer),
            attributes_known=one_of("attributes-known", attributes_known, "full", "partial", "none"),  # type: ignore[arg-type]
            shared=shared,
            pooling=one_of("pooling", pooling, "attention", "mean", "first"),  # type: ignore[arg-type]
            known_share=known_share,
        ),
        correction=CorrectionConfig(
            gate=opens,
            precision=computing,
            target=AimOptions(target, max_loss, max_cell_loss).adapted(TargetConfig()),
            require_certificate=certificate,
        ),
    )
    places = None if dry_run else (out, work or out.with_name(f"{out.name}.work"))
    _run(config, label, method or ("offsets" if model else "lora"), data, places)


def _run(
    config: FitConfig, labels: list[str], method: str, data: str, places: tuple[Path, Path] | None
) -> None:
    """Run it, and turn errors that a user can correct into one line."""
    from evenhand.models.network.family import UnsupportedBaseError
    from evenhand.models.onnx.torch_export import ParityError
    from evenhand.tables.read import read_table
    from evenhand.training.fit.method_options import check, with_method
    from evenhand.training.learning.box_base import with_model

    with one_line(UnsupportedBaseError, ParityError):
        config = with_method(config, method)
        check(config)  # before the data is read: a large table takes its time
        config = config if config.box is None else with_model(config)
        table = read_table(data)
        if len(labels) > 1:
            fit_each(config, labels, table, places, _fit_one)
        else:
            _fit_one(config, table, places)


def _fit_one(config: FitConfig, table: Table, places: tuple[Path, Path] | None) -> None:
    """Fit one bundle, or say what the data could prove."""
    from evenhand.training.data.dataset import from_table
    from evenhand.training.fit.run import run

    rows, schema = from_table(table, config.columns, config.seed)
    if places is None:
        show(config, rows, schema)
    else:
        run(config, rows, schema, table.sha256, *places)


def _layer(text: str | None) -> int | Literal["auto"] | None:
    if text is None or text == "auto":
        return text  # type: ignore[return-value]
    if not text.isdecimal():
        raise typer.BadParameter("--layer is a number, or auto")
    return int(text)


def _card(path: Path | None) -> Card:
    import yaml

    from evenhand.training.learning.config import Card

    if path is None:
        return Card()
    try:
        words = Card(**yaml.safe_load(path.read_text()))
        wrong = [name for name, value in vars(words).items() if not isinstance(value, str | None)]
        if wrong:
            raise TypeError(f"{', '.join(wrong)} must be text; put it in quotes")
        return words
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"--card {path}: {error}") from error
