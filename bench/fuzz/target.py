"""A target of fuzzing, and how valid input is mutated."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Action = Callable[[Any], object]
ODD = st.sampled_from(
    ["", "\0", "\ud800", "\u202e", "1e400", "nan", "?", "a" * 200_000, "\u0301" * 1000, "🏳️‍🌈"]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | ODD
VALUE = st.recursive(
    SCALAR | st.sampled_from([10**400, -(10**4000), float("inf"), float("nan")]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | ODD, inner, max_size=5),
    max_leaves=10,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader under test, and its inputs."""

    inputs: st.SearchStrategy[Any]
    act: Action
    allowed: tuple[type[Exception], ...]
    """Exceptions that it documents."""
    seeds: tuple[bytes, ...] = ()
    """Valid inputs for a fuzzer that mutates bytes itself, where the target reads bytes."""
    of_bytes: Callable[[bytes], Any] = bytes
    """Makes its input of bytes."""


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds with some bytes changed, cut out, put in or doubled."""

    @st.composite
    def mutate(draw: st.DrawFn) -> bytes:
        content, generator = (
            bytearray(draw(st.sampled_from(seeds))),
            random.Random(draw(st.integers(0, 2**64))),
        )
        for _ in range(generator.choice((1, 1, 2, 5, 20))):
            at, length = generator.randrange(len(content) + 1), generator.choice((1, 1, 4, 50))
            piece = generator.choice(
                (b"", b"\0", b"\xff" * 4, b"-1", b"[" * 5000, generator.randbytes(length))
            )
            content[at : at + generator.choice((0, length))] = piece
        return bytes(content)

    return mutate()


def folder(
    act: Callable[[Path], object], seeds: dict[str, list[bytes]], allowed: tuple[type[Exception], ...]
) -> Target:
    """A folder in which one file is broken."""

    def write(named_content: tuple[str, bytes]) -> None:
        name, content = named_content
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / name
            file.write_bytes(content)
            file.chmod(0o600)
            act(file)

    named = st.one_of([st.tuples(st.just(name), mutated(some)) for name, some in seeds.items()])
    ((first, some), *_) = seeds.items()
    return Target(named, write, allowed, tuple(some), lambda content: (first, content))
