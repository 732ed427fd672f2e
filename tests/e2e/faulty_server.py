"""The real command, with an engine that breaks when a text asks for it: ``python faulty_server.py serve ...``.

A text of one word asks: ``die`` ends the engine thread, ``hang`` holds it while the file that FAULT_HANG names exists,
``raise`` fails the run.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from service import engine
from service.cli import main
from service.types import Example, Scores

# The words' ids in the demo bundle's vocabulary.
DIE, HANG, RAISE = ([101, token, 102] for token in (3280, 6865, 5333))
whole = engine.Engine.run


def run(self: engine.Engine, examples: Sequence[Example]) -> list[Scores]:
    texts = [example.encoded.arrays["input_ids"].tolist() for example in examples]
    if DIE in texts:
        raise SystemExit
    while HANG in texts and Path(os.environ["FAULT_HANG"]).exists():
        time.sleep(0.05)
    if RAISE in texts:
        raise RuntimeError("asked to fail")
    return whole(self, examples)


if __name__ == "__main__":
    engine.Engine.run = run
    main()
