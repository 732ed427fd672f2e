"""Run the tests of every fault that the service must survive several times: does each run pass?

python -m bench.faults --runs 10
python -m bench.faults --runs 3 --only "clock jumped,disk full"

A run is the fault's own tests, with real processes and databases. They count the acknowledged answers that
were lost: one lost answer fails the run.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
E2E, RECORD = "tests/e2e", "tests/unit/service/audit"
FAULTS: dict[str, tuple[str, ...]] = {
    "worker killed": (f"{E2E}/serving/test_workers.py",),
    "process killed under load": (
        f"{E2E}/record/test_record.py::test_killed_under_load_again_and_again_nothing_acknowledged_is_lost",
    ),
    "engine hung or broken": (f"{E2E}/serving/test_faults.py",),
    "out of memory in a batch": (f"{E2E}/serving/test_memory.py",),
    "out of memory in the record": (
        f"{RECORD}/test_crashes.py::test_records_outlast_memory_that_runs_out",
        f"{RECORD}/test_crashes.py::test_a_thread_that_cannot_be_had_does_not_keep_the_record_in_the_spool",
    ),
    "disk full": (
        f"{E2E}/record/test_disk.py",
        f"{RECORD}/test_spool.py::test_a_full_disk_leaves_nothing_half_written",
        f"{RECORD}/test_crashes.py::test_neither_database_nor_disk",
    ),
    "database away and back": (
        f"{E2E}/record/test_record.py"
        "::test_a_database_that_goes_away_under_load_costs_no_answer_and_no_record",
        f"{RECORD}/test_crashes.py::test_a_database_that_goes_away_under_load_loses_nothing",
    ),
    "clock jumped": (
        f"{E2E}/record/test_clock.py",
        "tests/http/operation/test_watch.py::test_nothing_is_let_go_of_by_a_clock_that_was_just_set",
    ),
    "Prometheus away": (
        f"{E2E}/monitoring/test_rules_live.py"
        "::test_totals_go_on_after_an_outage_of_prometheus_and_begin_anew_after_a_long_one",
    ),
    "reload: half-written and two at once": (f"{E2E}/serving/test_reload_together.py",),
    "SIGTERM during start": (f"{E2E}/serving/test_early_stop.py",),
}
"""By fault, the tests that cause it."""
COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped)")


@dataclass(slots=True)
class Tally:
    """Results of the runs of one fault."""

    passed: int = 0
    skipped: int = 0
    """Runs with a skipped part, because a program is missing here."""
    failed: int = 0
    seconds: list[float] = field(default_factory=list)


def run(tests: tuple[str, ...], tally: Tally) -> None:
    """One run of one fault."""
    started_s = time.monotonic()
    command = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    tally.seconds.append(round(time.monotonic() - started_s, 1))
    last = (ended.stdout.strip().splitlines() or [""])[-1]
    counts = {what: int(number) for number, what in COUNT.findall(last)}
    if ended.returncode or not counts.get("passed"):
        tally.failed += 1
        print(ended.stdout[-6000:] + ended.stderr[-2000:], flush=True)
    elif counts.get("skipped"):
        tally.skipped += 1
    else:
        tally.passed += 1


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--only", default=",".join(FAULTS), help="faults, separated by commas")
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    options = parser.parse_args()
    tallies = {name: Tally() for name in options.only.split(",")}
    for number in range(1, options.runs + 1):
        for name, tally in tallies.items():
            run(FAULTS[name], tally)
            print(
                f"run {number} of {options.runs}: {name}: {tally.seconds[-1]} s, {tally.failed} failed",
                flush=True,
            )
    print(f"\n{'fault':37s} passed  skipped  failed  median s")
    for name, tally in tallies.items():
        counts = f"{tally.passed:6d}  {tally.skipped:7d}  {tally.failed:6d}"
        print(f"{name:37s} {counts}  {statistics.median(tally.seconds):8.1f}")
    if options.out:
        options.out.write_text(
            json.dumps({name: asdict(tally) for name, tally in tallies.items()}, indent=2) + "\n"
        )
    sys.exit(any(tally.failed for tally in tallies.values()))


if __name__ == "__main__":
    main()
