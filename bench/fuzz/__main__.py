"""Feed every reader with broken input for a while, and report exceptions that it does not document.

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
"""Limit of address space: more than this for a small input is a finding, and must not exhaust the machine."""
SLOW_S = 5.0
"""Processor time above which one input is a finding."""


def fuzz(target: Target, seconds: float, seed: int) -> tuple[int, dict[str, str]]:
    """Feed one target.

    Returns:
        How many inputs it got, and by finding the first input that led to it.
    """
    until, count, findings = time.monotonic() + seconds, 0, dict[str, str]()

    def once(value: object) -> None:
        nonlocal count
        if time.monotonic() > until:
            return
        worked_s = time.process_time()
        try:
            target.act(value)
        except target.allowed:
            pass
        except Exception as error:
            findings.setdefault(f"{type(error).__name__}: {str(error)[:200]}", repr(value)[:500])
        count += 1
        if time.process_time() - worked_s > SLOW_S:
            findings.setdefault(f"longer than {SLOW_S} s", repr(value)[:500])

    while time.monotonic() < until:
        seed += 1
        profile = settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seeded(seed)(profile(given(target.inputs)(once)))()
    return count, findings


def main() -> None:
    """Fuzz."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--only", default=",".join(TARGETS), help="targets, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # a spool logs every damaged line
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    broken = False
    for name in options.only.split(","):
        target, seed, left, count = TARGETS[name](), options.seed, 60 * options.minutes, 0
        findings: dict[str, str] = {}
        while left > 0:
            some, new = fuzz(target, min(left, 10.0), seed)
            count, left, seed, findings = count + some, left - 10.0, seed + 100_000, {**new, **findings}
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
