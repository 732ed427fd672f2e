"""Evenhand with a fault inside the model: the engine raises for every batch that holds a marked row.

``python -m bench.faulty serve <bundle> --port <port>`` with the mark in BENCH_POISON; otherwise the usual
command.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from bench.peers.shared.base_model import FOLDER, POISON


def main() -> None:
    """Wrap the engine, then run the command line."""
    from evenhand.cli.main import main as command
    from evenhand.service.inference.engine import Engine

    tokenizer = Tokenizer.from_file(str(Path(os.environ[FOLDER]) / "tokenizer.json"))
    tokenizer.no_padding()
    mark = tokenizer.encode(os.environ[POISON], add_special_tokens=False).ids
    run = Engine.run

    @functools.wraps(run)
    def raising(engine: Engine, examples: Sequence[Any], *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        if any(_holds([int(token) for token in row.encoded.arrays["input_ids"]], mark) for row in examples):
            raise RuntimeError("a fault inside the model")
        return run(engine, examples, *rest, **named)

    Engine.run = raising  # type: ignore[method-assign, assignment]
    command()


def _holds(tokens: list[int], mark: list[int]) -> bool:
    return any(tokens[at : at + len(mark)] == mark for at in range(len(tokens) - len(mark) + 1))


if __name__ == "__main__":
    main()
