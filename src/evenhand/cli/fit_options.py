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
}
"""The tasks that read an option, and what to say in others."""


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
