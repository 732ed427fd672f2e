"""The real command, with an engine that breaks when a text says so: ``python faulty_server.py serve ...``.

A text of one word asks: ``die`` ends the engine thread, ``hang`` holds it while the file that FAULT_HANG
names exists,
``raise`` fails the run. Runs of more rows than FAULT_MOST_ROWS says find no memory. The file that FAULT_SAID
names gets a line for every run that failed.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from evenhand.cli.main import main
from evenhand.service.inference import engine
from evenhand.service.types import Example, Scores

# The words' ids in the demo bundle's vocabulary.
DIE, HANG, RAISE = ([101, token, 102] for token in (3280, 6865, 5333))
MOST_ROWS = int(os.environ.get("FAULT_MOST_ROWS", "1000000"))
whole = engine.Engine.run


def run(self: engine.Engine, examples: Sequence[Example]) -> list[Scores]:
    texts = [example.encoded.arrays["input_ids"].tolist() for example in examples]
    if DIE in texts:
        raise SystemExit
    while HANG in texts and Path(os.environ["FAULT_HANG"]).exists():
        time.sleep(0.05)
    if RAISE in texts:
        raise RuntimeError("asked to fail")
    try:
        if len(examples) > MOST_ROWS:
            raise MemoryError
        return whole(self, examples)
    except Exception as error:
        with open(os.environ.get("FAULT_SAID", os.devnull), "a") as said:
            said.write(f"{len(examples)} rows: {type(error).__name__} {error}\n")
        raise


if __name__ == "__main__":
    engine.Engine.run = run
    main()
