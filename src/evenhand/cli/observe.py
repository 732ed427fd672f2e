"""``evenhand observe``: declare a model whose decisions are made elsewhere. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evenhand.cli.options import POINTS, RangesOption, pair
from evenhand.cli.refusal import refuse
from evenhand.cli.target_options import measures_of


def observe(
    name: Annotated[str, typer.Argument(help="Of the model, as its decisions will name it.")],
    labels: Annotated[
        list[str],
        typer.Option(
            help="All labels that it decides, separated by commas; repeat for one with a comma in it."
        ),
    ],
    favourable: Annotated[
        list[str], typer.Option(help="Labels that are good for the person, as with --labels.")
    ],
    attributes: Annotated[
        list[str] | None,
        typer.Option(help="A sensitive attribute and its groups, such as sex=female,male; repeatable."),
    ] = None,
    ranges: RangesOption = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="attribute=group that the others are compared with; the first group if not given."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="What is watched: worst-cell, equalized-odds, equal-opportunity, predictive-equality, "
            "demographic-parity; or attribute=measure, repeatable. worst-cell if not given."
        ),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(
            callback=POINTS,
            help="With --target: the largest gap in points, or the least accuracy of a cell, that is no "
            "breach; the setting gap_limit if not given.",
        ),
    ] = None,
    version: Annotated[str, typer.Option(help="Of the model; the record keeps it with each decision.")] = "1",
    description: Annotated[str, typer.Option(help="What it is, for readers.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; the setting observed if not given.")
    ] = None,
) -> None:
    """Declare a model that is not served here, so that POST /decisions takes its decisions.

    A service that runs with the same state folder reads the declaration within two seconds.
    """
    from pydantic import ValidationError

    from evenhand.models.bundle.target import aims
    from evenhand.service import settings
    from evenhand.service.catalog.declaration import Declaration, first_problem, write_declaration
    from evenhand.service.settings import SettingsError

    said: dict[str, Any] = {
        "name": name,
        "version": version,
        "description": description,
        "labels": _words(labels),
        "favourable": _words(favourable),
    }
    listed = [*_attributes(attributes or []), *_of_ranges(ranges or [])]
    said["attributes"] = _referring(listed, dict(pair(each) for each in reference or []))
    said["target"] = _target(target or [], limit, [each["name"] for each in listed])
    try:
        declaration = Declaration.model_validate(said)
        folder = out or settings.observed_folder(settings.load())
        path = write_declaration(folder, declaration)
    except ValidationError as error:
        refuse(first_problem(error), 2)
    except SettingsError as error:
        refuse(str(error), 2)
    except OSError as error:
        refuse(f"{folder}: cannot be written ({error.strerror})", 1)
    groups = ", ".join(f"{one.name} (reference {one.reference})" for one in declaration.attributes)
    aim = "worst cell" if declaration.target is None else aims(declaration.target.attributes)
    typer.echo(f"declared {name}: {len(declaration.labels)} labels, {groups}; watched: {aim}")
    typer.echo(f"wrote {path}; send its decisions to POST /decisions")


def _words(values: list[str]) -> list[str]:
    """Values separated by commas; one that was repeated alone is taken whole."""
    if len(values) > 1:
        return [value.strip() for value in values]
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _attributes(values: list[str]) -> list[dict[str, Any]]:
    listed = []
    for value in values:
        name, groups = pair(value, option="attributes")
        words = [group.strip() for group in groups.split(",") if group.strip()]
        if len(words) < 2:
            raise typer.BadParameter(f"--attributes {name}: name two groups or more, as in sex=female,male")
        listed.append({"name": name, "groups": words})
    return listed


def _of_ranges(values: list[str]) -> list[dict[str, Any]]:
    """Attributes that are numbers, whose groups are their ranges."""
    from evenhand.tables.ranges import Ranges, RangesError

    listed = []
    for value in values:
        name, texts = pair(value, option="ranges")
        try:
            names = list(Ranges(texts.split(",")).names)
        except RangesError as error:
            raise typer.BadParameter(f"--ranges {name}: {error}") from error
        listed.append({"name": name, "groups": names, "ranges": names})
    return listed


def _referring(listed: list[dict[str, Any]], references: dict[str, str]) -> list[dict[str, Any]]:
    """Attributes with the group that the others are compared with."""
    if not listed:
        raise typer.BadParameter("name an attribute: --attributes sex=female,male or --ranges age=0-24,25+")
    for each in listed:
        each["reference"] = references.pop(each["name"], each["groups"][0])
    if references:
        raise typer.BadParameter(f"--reference {next(iter(references))}: no such attribute was declared")
    return listed


def _target(values: list[str], limit: float | None, names: list[str]) -> dict[str, Any] | None:
    if not values:
        if limit is not None:
            raise typer.BadParameter("--limit goes with --target")
        return None
    general, own = measures_of(values)
    measures = {**({} if general is None else dict.fromkeys(names, general)), **dict(own)}
    share = None if limit is None else limit / 100
    aims = [{"attribute": name, "measure": each, "limit": share} for name, each in measures.items()]
    return {"attributes": aims, "max_loss": 0.0, "max_cell_loss": None}
