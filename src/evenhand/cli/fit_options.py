"""Options of ``evenhand fit`` and ``compare`` that would do nothing with the others: refused, not ignored."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import typer

TASK_OPTIONS: Mapping[str, tuple[Collection[str], str]] = {
    "base": (("text", "pair", "image"), "tables make their own base"),
    "keep_base": (("text", "pair", "image"), "tables make their own base"),
    "text": (("text", "pair"), "name the columns with --feature, or the file names with --image"),
    "text_pair": (("pair",), "two texts in a row are --task pair"),
    "max_tokens": (("text", "pair"), "only texts have tokens"),
    "image": (("image",), "images are --task image"),
    "images": (("image",), "images are --task image"),
    "feature": (("table",), "features are those of --task table"),
    "category": (("table",), "features are those of --task table"),
    "tokenizer": (("text",), "only texts have tokens"),
}
"""The tasks that read an option, and what to say in others."""
WITHOUT_MODEL = {
    "keep_base": "a model file is never changed",
    "epochs": "the model is not trained",
    "precision": "the model is not trained",
    "weights": "the model's numbers stay as they are",
    "layer": "a model file has no layers",
    "pooling": "a model file has no layers",
    "engine": "a model file is written as ONNX",
    "base": "the model takes the place of a base",
    "category": "the model decides which features are categories",
}
"""Options that do nothing with ``--model``, and why."""


def refuse_ignored(context: typer.Context) -> None:
    """Refuse options of the command line that the other options leave without effect.

    Args:
        context: Of the command that is running.

    Raises:
        typer.BadParameter: there is one.
    """
    values = context.params
    sources = {name: context.get_parameter_source(name) for name in values}
    named = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    _refuse_beside_model(values, named)
    labels = values.get("label")
    if isinstance(labels, list | tuple) and len(labels) > 1 and values.get("model"):
        raise typer.BadParameter("--model answers one label; name that one alone with --label")
    for name, (tasks, why) in TASK_OPTIONS.items():
        if name in named and not values.get("recipe") and values["task"] not in tasks:
            raise typer.BadParameter(f"{_option(name)} does nothing with --task {values['task']}: {why}")
    if "epochs" in named and values.get("keep_base"):
        raise typer.BadParameter("--epochs does nothing with --keep-base: the base is not trained")
    partial = values.get("attributes_known") == "partial"
    if partial and "known_share" not in named:
        raise typer.BadParameter("--attributes-known partial needs --known: the share of rows that is used")
    if not partial and "known_share" in named:
        raise typer.BadParameter("--known does nothing without --attributes-known partial")
    _refuse_references(values.get("reference") or (), values.get("attribute") or ())


def _refuse_beside_model(values: Mapping[str, object], named: Collection[str]) -> None:
    """Options that a model file leaves without effect, and those that need one."""
    if not values.get("model"):
        for name in ("model_label", "tokenizer"):
            if name in named:
                raise typer.BadParameter(f"{_option(name)} does nothing without --model")
        return
    if values["task"] not in ("table", "text"):
        raise typer.BadParameter(f"--model reads --task table or text, not {values['task']}")
    for name, why in WITHOUT_MODEL.items():
        if name in named:
            raise typer.BadParameter(f"{_option(name)} does nothing with --model: {why}")


def _refuse_references(references: Collection[str], attributes: Collection[str]) -> None:
    """A reference group of an attribute that is not named."""
    for reference in references:
        name = reference.partition("=")[0]
        if "=" in reference and name not in attributes:
            raise typer.BadParameter(
                f"--reference {reference} does nothing: {name} is not named with --attribute"
            )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
