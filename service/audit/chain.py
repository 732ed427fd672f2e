"""The chain of hashes. Pure functions.

A record's link is ``SHA-256(link before || header || SHA-256(body))``. A changed byte, a record that is
missing and two that changed places each break a link; an erased body breaks none.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic_core import to_json

GENESIS = bytes(32)
"""The link before the first record."""


class Event(NamedTuple):  # a tuple, because there are many
    """What is to be recorded."""

    id: str
    kind: str
    at_ms: int
    body: str
    """JSON, as it is hashed and stored."""
    subject: str | None = None
    """The decision that it is about."""


class Linked(NamedTuple):
    """A record's place in the chain."""

    seq: int
    body_sha256: bytes
    link: bytes


def encode(body: Mapping[str, Any] | list[str] | str) -> str:
    """A body, or a part of one, as it is hashed and stored."""
    return to_json(body, inf_nan_mode="null").decode()


def link(before: bytes, seq: int, event: Event, body_sha256: bytes) -> bytes:
    """The link of one record.

    Args:
        before: Link of the record before it.
        seq: Its number.
        event: The record; its body is not looked at.
        body_sha256: Hash of its body.
    """
    header = f"{seq}|{event.id}|{event.kind}|{event.at_ms}|{event.subject or ''}|"
    return sha256(before + header.encode() + body_sha256).digest()


def extend(before: bytes, seq: int, events: list[Event]) -> list[Linked]:
    """Chain events to a record.

    Args:
        before: Link of the last record.
        seq: Its number.
        events: What comes after it, in order.
    """
    linked = []
    for event in events:
        seq += 1
        digest = sha256(event.body.encode()).digest()
        before = link(before, seq, event, digest)
        linked.append(Linked(seq, digest, before))
    return linked
