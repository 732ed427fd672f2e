"""Feeds what reads with broken input, for a while each, and says which exceptions came out that nobody announced.

python -m bench.fuzz --minutes 10
python -m bench.fuzz --only image,oip --minutes 1 --seed 7
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from bench.fuzz import operators, targets
from bench.fuzz.target import Target

TARGETS = {**targets.TARGETS, **operators.TARGETS}

ROUND = 200
MOST_BYTES = 12 * 2**30
"""Of addresses: what a few bytes make a target ask for beyond is a finding, and not this machine's end."""
SLOW_S = 5.0
"""One input that takes a processor longer is a finding."""


def fuzz(target: Target, seconds: float, seed: int) -> tuple[int, dict[str, str]]:
    """Feed one target.

    Returns:
        How many inputs it got, and by finding the first input that led to it.
    """
    until, count, findings = time.monotonic() + seconds, 0, dict[str, str]()

    def once(given_: object) -> None:
        nonlocal count
        if time.monotonic() > until:
            return
        worked_s = time.process_time()
        try:
            target.act(given_)
        except target.allowed:
            pass
        except Exception as error:
            findings.setdefault(f"{type(error).__name__}: {str(error)[:200]}", repr(given_)[:500])
        count += 1
        if time.process_time() - worked_s > SLOW_S:
            findings.setdefault(f"longer than {SLOW_S} s", repr(given_)[:500])

    while time.monotonic() < until:
        seed += 1
        wanted = settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seeded(seed)(wanted(given(target.inputs)(once)))()
    return count, findings


def main() -> None:
    """Fuzz."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--only", default=",".join(TARGETS), help="targets, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    logging.disable(logging.CRITICAL)  # a spool says of every damaged line that it is
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    broken = False
    for name in wanted.only.split(","):
        target, seed, left, count = TARGETS[name](), wanted.seed, 60 * wanted.minutes, 0
        findings: dict[str, str] = {}
        while left > 0:
            some, found = fuzz(target, min(left, 10.0), seed)
            count, left, seed, findings = count + some, left - 10.0, seed + 100_000, {**found, **findings}
            memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(
                f"{name:8s} {count:9d} inputs, {len(findings)} findings, {memory_mb} MB at most", flush=True
            )
        for finding, how in findings.items():
            print(f"  {finding}\n    {how}", flush=True)
        broken |= bool(findings)
    sys.exit(broken)


if __name__ == "__main__":
    main()
