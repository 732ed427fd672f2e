"""The declaration of a model that is not served here: a JSON file that ``evenhand observe`` writes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from evenhand.models.bundle.manifest import (
    MAX_ATTRIBUTES,
    MAX_GROUPS,
    UNKNOWN_GROUP,
    Attribute,
    Manifest,
    Name,
    Value,
)
from evenhand.models.bundle.target import Target
from evenhand.tables.ranges import ranges_of

SUFFIX = ".json"
WHY = "decided elsewhere: nothing is flagged or corrected here"
NO_FLAG = 1.0
"""The threshold of an attribute that has no detector."""
MAX_BYTES = 2**20


class DeclarationError(ValueError):
    """A declaration cannot be used; the message says why, in one line."""


class DeclaredAttribute(BaseModel):
    """One sensitive attribute of the people whom the model decides about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    """As decisions name it."""
    groups: list[Value] = Field(min_length=2, max_length=MAX_GROUPS)
    """Its values."""
    reference: Value
    """The one that the others are compared with."""
    ranges: list[Value] = []
    """Where the attribute is a number: its ranges in ascending order, whose texts are the groups."""

    @model_validator(mode="after")
    def _groups_are_ranges(self) -> DeclaredAttribute:
        if self.ranges and not set(self.groups) <= set(ranges_of(tuple(self.ranges)).names):
            raise ValueError(f"the groups of {self.name} must be among its ranges")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without ranges a declaration reads, and hashes, as one of an earlier version."""
        said: dict[str, Any] = handler(self)
        if not self.ranges:
            del said["ranges"]
        return said


class Declaration(BaseModel):
    """What is said about a model before its decisions are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    """Of this form."""
    name: Name
    """Of the model, as decisions and counters name it."""
    version: Name = "1"
    """Of the model; the record keeps it with each decision."""
    description: str = ""
    """For readers."""
    labels: list[Value] = Field(min_length=2)
    """All that it can decide."""
    favourable: list[Value] = Field(min_length=1)
    """Those that are good for the person."""
    attributes: list[DeclaredAttribute] = Field(min_length=1, max_length=MAX_ATTRIBUTES)
    """Sensitive attributes."""
    target: Target | None = None
    """What is watched; the worst cell of every attribute if nothing is said."""

    @model_validator(mode="after")
    def _is_sound(self) -> Declaration:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("two labels are the same")
        if not set(self.favourable) < set(self.labels):
            raise ValueError(f"favourable must be some, not all, of the labels {', '.join(self.labels)}")
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) != len(names):
            raise ValueError("two attributes have the same name")
        for each in self.attributes:
            if len(set(each.groups)) != len(each.groups) or UNKNOWN_GROUP in each.groups:
                raise ValueError(f"the groups of {each.name} must be distinct, and not {UNKNOWN_GROUP!r}")
            if each.reference not in each.groups:
                raise ValueError(
                    f"the reference of {each.name} is {each.reference!r}, which is none of its groups "
                    f"{', '.join(each.groups)}"
                )
        for aim in () if self.target is None else self.target.attributes:
            if aim.attribute not in names:
                raise ValueError(f"the target names {aim.attribute!r}; attributes are {', '.join(names)}")
        return self

    @property
    def listed(self) -> list[Attribute]:
        """The attributes in the form of a bundle's."""
        return [
            Attribute(
                name=each.name,
                groups=each.groups,
                reference=each.reference,
                threshold=NO_FLAG,
                mode="off",
                corrects=False,
                why=WHY,
                ranges=each.ranges,
            )
            for each in self.attributes
        ]

    @property
    def sha256(self) -> str:
        """Hash that names it."""
        return sha256(self.model_dump_json().encode()).hexdigest()


def of_bundle(manifest: Manifest) -> Declaration:
    """What a bundle's manifest says about the decisions of a model that is also used without it."""
    return Declaration(
        name=manifest.name,
        version=manifest.version,
        description=manifest.description,
        labels=manifest.labels,
        favourable=manifest.favourable,
        attributes=[
            DeclaredAttribute(
                name=each.name, groups=each.groups, reference=each.reference, ranges=each.ranges
            )
            for each in manifest.attributes
        ],
        target=_watched_alone(manifest),
    )


def _watched_alone(manifest: Manifest) -> Target | None:
    """The target without intersections, which are not attributes of single decisions."""
    if manifest.target is None:
        return None
    names = set(manifest.attribute_names)
    kept = [each for each in manifest.target.attributes if each.attribute in names]
    return manifest.target.model_copy(update={"attributes": kept}) if kept else None


def first_problem(error: ValidationError) -> str:
    """What is wrong first, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def read_declaration(path: Path) -> Declaration:
    """Read a declaration.

    Raises:
        DeclarationError: it cannot be read, or is none.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DeclarationError(f"{path.name}: no declaration, for it is larger than {MAX_BYTES} bytes")
        return Declaration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DeclarationError(f"{path.name}: not readable ({error.strerror})") from error
    except ValidationError as error:
        raise DeclarationError(f"{path.name}: no declaration ({first_problem(error)})") from error


def write_declaration(folder: Path, declaration: Declaration) -> Path:
    """Write a declaration, in place of an earlier one of the same name.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{file_name(declaration.name)}{SUFFIX}"
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(declaration.model_dump_json(indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)  # a service that reads meanwhile sees the old one or the new one
    return path


def file_name(name: str) -> str:
    """A model's name as one of a file; names have no character that needs more."""
    return name.replace(" ", "_")


def declarations_in(folder: Path) -> Sequence[Path]:
    """The files of declarations, in the order of their names; none if the folder is not there."""
    if not folder.is_dir():
        return ()
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
