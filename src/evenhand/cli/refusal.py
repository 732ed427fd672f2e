"""How a command ends when it cannot go on: one or two lines on standard error, and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])


def refuse(message: str, code: int) -> NoReturn:
    """Say why the command ends, and end it.

    Raises:
        typer.Exit: always, with ``code``.
    """
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


RUNTIME = "onnxruntime"
"""Comes with the extra ``cpu`` or ``gpu``, and with no other one."""


def needs(*extras: str, name: str = "") -> Callable[[Command], Command]:
    """A command that says which extras to install where a package that it needs is missing.

    Args:
        extras: Of Evenhand, all of them, next to ``cpu`` or ``gpu``.
        name: The command, if it is not named as its function is.
    """

    def wrap(command: Command) -> Command:
        @functools.wraps(command)
        def run(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the command takes
            try:
                return command(*arguments, **options)
            except ModuleNotFoundError as error:
                package = (error.name or "").split(".")[0]
                missing = ("cpu", *extras) if package == RUNTIME else extras
                if not package or package == "evenhand" or not missing:
                    raise
                refuse(
                    f"evenhand {name or command.__name__} needs the package {package}, which is not "
                    "installed here.\n"
                    f"Install it with: pip install 'evenhand[{','.join(missing)}]'",
                    2,
                )

        return run  # type: ignore[return-value]

    return wrap
