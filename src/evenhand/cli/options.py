"""The types of options that several training commands share, and how their values are read."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Annotated

import typer


def _check(kind: str, allows: Callable[[float], bool]) -> Callable[[float | None], float | None]:
    """The callback of an option that takes one kind of number; typer's ``min`` and ``max`` let NaN pass."""

    def check(value: float | None) -> float | None:
        if value is not None and not allows(value):
            raise typer.BadParameter(f"{value:g} is not {kind}")
        return value

    return check


RangesOption = Annotated[
    list[str] | None,
    typer.Option(help="attribute=ranges of a number that are its groups, such as age=0-24,25-39,40-59,60+."),
]
SHARE = _check("a share from 0 to 1", lambda value: 0.0 <= value <= 1.0)
PART = _check("a share above 0 and below 1", lambda value: 0.0 < value < 1.0)
REST = _check("a share from 0 to less than 1", lambda value: 0.0 <= value < 1.0)
SOME = _check("a share above 0, up to 1", lambda value: 0.0 < value <= 1.0)
POSITIVE = _check("a finite number above 0", lambda value: 0.0 < value < math.inf)
POINTS = _check("a number of points from 0 to 100", lambda value: 0.0 <= value <= 100.0)
FINITE = _check("a finite number", math.isfinite)


def one_of(option: str, value: str, *choices: str) -> str:
    """The value, if it is one of the choices.

    Raises:
        typer.BadParameter: it is none of them.
    """
    if value not in choices:
        raise typer.BadParameter(f"--{option} is one of {', '.join(choices)}")
    return value


def pair(value: str, sign: str = "=", option: str = "reference") -> tuple[str, str]:
    """``attribute=group`` to its parts.

    Raises:
        typer.BadParameter: it has no such sign.
    """
    name, separator, group = value.partition(sign)
    if not separator:
        second = "ranges" if option == "ranges" else "group" if sign == "=" else "attribute"
        raise typer.BadParameter(f"--{option} {value!r} is not attribute{sign}{second}")
    return name, group


@contextlib.contextmanager
def one_line(*kinds: type[Exception]) -> Iterator[None]:
    """Turn errors that a user can correct into one line.

    Args:
        kinds: Further ones than those of files, bundles and tables.
    """
    from evenhand.console import say_error
    from evenhand.models.bundle.bundle import BundleError
    from evenhand.training.data.dataset import DataError

    correctable: tuple[type[Exception], ...] = (BundleError, DataError, OSError, *kinds)
    try:
        yield
    except correctable as error:
        say_error(error)
        raise typer.Exit(1) from error
