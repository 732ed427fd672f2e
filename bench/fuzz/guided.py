"""One target under atheris, which mutates the inputs that reach new code.

python -m bench.fuzz.guided spool --minutes 10      # in an environment that has atheris, too

Where a target's input is bytes, atheris mutates whole ones itself; otherwise it steers Hypothesis.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import atheris
from hypothesis import HealthCheck, given, settings

with atheris.instrument_imports(include=["evenhand"]):
    from bench.fuzz.__main__ import MOST_BYTES, SLOW_S, TARGETS
    from bench.fuzz.target import Target

SAY_EVERY_S = 10.0
MOST_INPUT_BYTES = 20_000


class Feeding:
    """Feeds a target, and prints each finding at once, because libFuzzer does not return.

    Args:
        name: Of the target.
        target: The target.
    """

    def __init__(self, name: str, target: Target) -> None:
        self._name, self._target = name, target
        self._count, self._findings, self._said_s = 0, set[str](), time.monotonic()

    def raw(self, content: bytes) -> None:
        """Feed bytes."""
        self.one(self._target.of_bytes(content))

    def one(self, value: object) -> None:
        """Feed one input."""
        worked_s = time.process_time()
        try:
            self._target.act(value)
        except self._target.allowed:
            pass
        except Exception as error:
            self._find(f"{type(error).__name__}: {str(error)[:200]}", value)
        if time.process_time() - worked_s > SLOW_S:
            self._find(f"longer than {SLOW_S} s", value)
        self._count += 1
        if (now_s := time.monotonic()) - self._said_s > SAY_EVERY_S:
            self._said_s = now_s
            print(f"{self._name:8s} {self._count:9d} inputs, {len(self._findings)} findings", flush=True)

    def _find(self, what: str, value: object) -> None:
        if what not in self._findings:
            self._findings.add(what)
            print(f"  {what}\n    {repr(value)[:500]}", flush=True)


def main() -> None:
    """Fuzz."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    target = TARGETS[arguments.target]()
    feeding = Feeding(arguments.target, target)
    corpus = Path(tempfile.mkdtemp(prefix="evenhand-fuzz-"))
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    test = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))(
        given(target.inputs)(feeding.one)
    )
    feed = feeding.raw if target.seeds else test.hypothesis.fuzz_one_input
    options = [
        f"-max_total_time={round(60 * arguments.minutes)}",
        f"-max_len={MOST_INPUT_BYTES}",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *options, "-rss_limit_mb=0", "-timeout=120"], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
