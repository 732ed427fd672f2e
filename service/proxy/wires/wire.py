"""What both wire formats have in common: rows of a request, and the readable form of a reply."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoder
from evenhand.service.proxy.answers import Said
from evenhand.service.proxy.wires.json_path import Unreadable

Headers = Mapping[bytes, bytes]
"""Values by name in lower case."""
GROUPS, OWN_IDS = b"evenhand-groups", b"evenhand-own-ids"
"""Headers with the declared groups of the rows, and with the client's own ids of them, as JSON in the form of
``/predict``."""


def header_value(headers: Headers, name: bytes) -> Any:  # noqa: ANN401 - checked with the rows
    """The JSON value of a header; ``None`` without it.

    Raises:
        Unreadable: it is no JSON.
    """
    if name not in headers:
        return None
    try:
        return json.loads(headers[name])
    except (ValueError, RecursionError):
        raise Unreadable(f"the header {name.decode()} is not valid JSON") from None


@dataclass(frozen=True, slots=True)
class Columns:
    """What a row is: a text, or named features."""

    kind: str
    """``text``, ``pair``, ``image`` or ``table``."""
    names: tuple[str, ...]
    """Names of the features of a row that is a list; empty if nobody says them."""

    def row(self, value: Any) -> Any:  # noqa: ANN401 - what a client sent
        """One row as the encoder takes it; what the encoder cannot take fails there, and alone.

        Raises:
            Unreadable: it is a list, and nobody says what its values are.
        """
        if self.kind == "image" and isinstance(value, str):
            return {"image": value}
        if self.kind != "table" or not isinstance(value, list):
            return value
        if not self.names:
            raise Unreadable("a row is a list; EVENHAND_PROXY_COLUMNS says what its values are")
        if len(value) != len(self.names):
            raise Unreadable(f"a row has not {len(self.names)} values, as EVENHAND_PROXY_COLUMNS says")
        return dict(zip(self.names, value, strict=True))


class Reply(Protocol):
    """A reply that could be read."""

    @property
    def rows(self) -> Sequence[Said]:
        """What the server says of each row."""

    def written(self, changes: Mapping[int, Said]) -> tuple[bytes, dict[bytes, bytes]]:
        """The reply with other answers for some rows, and the headers that change with it."""


class Replies(Protocol):
    """How the replies of one model look."""

    def reply(self, body: bytes, headers: Headers, rows: int | None) -> Reply:
        """Read a reply.

        Args:
            body: The whole body.
            headers: Its headers.
            rows: How many answers it must hold; ``None`` if any number will do.

        Raises:
            Unreadable: it does not hold so many where the settings say.
        """


class Wire(Replies, Protocol):
    """One wire format, for one model."""

    def items(self, body: bytes, headers: Headers) -> list[Any]:
        """The rows of a request, as the encoder takes them.

        Raises:
            Unreadable: the request does not hold them where the settings say.
        """


def columns_of(encoder: Encoder, kind: str, names: Sequence[str]) -> Columns:
    """What a row is.

    Args:
        encoder: The bundle's.
        kind: Its kind of input.
        names: The operator's names of a row's values; empty takes the bundle's, if all are numbers: then
            their order is that of the table.

    Raises:
        ValueError: a name is no feature of the bundle.
    """
    if not isinstance(encoder, TableEncoder):
        if names:
            raise ValueError("names the values of a row, and this bundle's rows are no tables")
        return Columns(kind, ())
    features = encoder.features
    if names:
        strange = [name for name in names if name not in features.names]
        if strange or len(set(names)) != len(names):
            raise ValueError(
                f"{', '.join(strange) or 'a name that is there twice'} is no feature of the bundle, which "
                f"has {', '.join(features.names)}"
            )
        return Columns(kind, tuple(names))
    return Columns(kind, () if features.categorical else tuple(features.names))
