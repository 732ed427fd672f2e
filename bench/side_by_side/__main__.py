"""Every server in turn, round after round, under the same load; then what each does when things go wrong.

    python -m bench.side_by_side --data <hatexplain.jsonl or its folder>
    python -m bench.side_by_side --only evenhand,fastapi --rounds 5 --seconds 10 --overload-seconds 60

The defaults take about 25 minutes on two cores. A server that cannot be installed or started is a line with
the reason.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from bench import prepare
from bench.peers.shared.base_model import BaseModel
from bench.prepare import NotInstalled
from bench.process import DidNotStart, stop_on_sigterm
from bench.protocols import asks
from bench.servers import SERVERS, Running, Server
from bench.side_by_side import plot, report, robust, speed
from bench.texts import Text, answered, file_of, read

Drive = Callable[[Running], Coroutine[Any, Any, dict[str, Any]]]
RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Measure, and write the results after every step."""
    options = _arguments()
    stop_on_sigterm()
    names = options.only.split(",")
    if unknown := set(names) - set(SERVERS):
        sys.exit(f"error: no server {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    texts = read(options.data)
    print(f"{len(texts)} texts; asking the base model itself about them", flush=True)
    bench = Bench(
        options, {name: SERVERS[name] for name in names}, answered(texts, BaseModel(prepare.base_model()))
    )
    bench.install()
    for number in range(options.rounds):
        bench.round(number)
    if not options.speed_only:
        bench.behaviour()
    plot.draw(bench.results["servers"], options.out / "side_by_side.svg")
    print("\n" + report.markdown(bench.results) + f"\nwritten to {options.out}", flush=True)


class Bench:
    """All servers, and the results so far."""

    def __init__(self, options: argparse.Namespace, servers: dict[str, Server], texts: list[Text]) -> None:
        self._options = options
        self._servers = servers
        self._texts = texts
        self._plan = speed.Plan(options.seconds, options.warmup_s, options.rate)
        self._started_s = time.monotonic()
        self.results: dict[str, Any] = {
            "machine": {
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "system": platform.platform(),
            },
            "settings": {name: value for name, value in vars(options).items() if name not in ("data", "out")},
            "texts": f"{len(texts)} of {'HateXplain, test' if file_of(options.data) else 'this repository'}",
            "servers": {name: {"shown": server.shown, "rounds": []} for name, server in servers.items()},
        }

    def install(self) -> None:
        """Every environment, before anything is measured."""
        for name, server in self._servers.items():
            try:
                server.install()
            except NotInstalled as error:
                self._fail(name, f"did not install: {error}")

    def round(self, number: int) -> None:
        """Every server once."""
        for name, server in self._going():
            drive = functools.partial(speed.measure, asks=asks(server.protocol, self._texts), plan=self._plan)
            one = self._with(server, drive)
            if one is not None:
                self._entry(name)["rounds"].append(one)
                self._entry(name)["medians"] = report.medians(self._entry(name)["rounds"])
                self._say(f"round {number + 1}/{self._options.rounds}, {speed.line(server, one)}")
            self._write()

    def behaviour(self) -> None:
        """Faults, overload and stop, each with a fresh process; once."""
        for name, server in self._going():
            sent = asks(server.protocol, self._texts)
            trial = robust.Trial(server, sent, self._plan, self._options.overload_seconds)
            steps: dict[str, Drive] = {
                "schema": trial.schema,
                "in_model": trial.in_model,
                "overload": trial.overload,
                "stop": trial.stop,
            }
            for step, drive in steps.items():
                one = self._with(server, drive, faulty=step == "in_model")
                if one is not None:
                    self._entry(name)[step] = one
                    self._say(f"{step}, {name}: {json.dumps(one)}")
                self._write()

    def _with(self, server: Server, drive: Drive, *, faulty: bool = False) -> dict[str, Any] | None:
        """Start a server and drive it."""
        try:
            with server.running(faulty=faulty) as running:
                return uvloop.run(drive(running))
        except DidNotStart as error:
            self._fail(server.name, f"did not start: {error}")
            return None

    def _going(self) -> list[tuple[str, Server]]:
        return [(name, server) for name, server in self._servers.items() if "failed" not in self._entry(name)]

    def _fail(self, name: str, reason: str) -> None:
        self._entry(name)["failed"] = reason
        self._say(f"{name} {reason}")

    def _entry(self, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.results["servers"][name]
        return entry

    def _say(self, text: str) -> None:
        print(f"{(time.monotonic() - self._started_s) / 60:5.1f} min  {text}", flush=True)

    def _write(self) -> None:
        out = self._options.out
        (out / "side_by_side.json").write_text(json.dumps(self.results, indent=1) + "\n")
        (out / "side_by_side.md").write_text(report.markdown(self.results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else; our pages else"
    )
    parser.add_argument("--only", default=",".join(SERVERS), help="names of servers, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--warmup-s", type=float, default=1.0, help="before each of them")
    parser.add_argument("--rate", type=float, default=100.0, help="of the open loop, requests per second")
    parser.add_argument("--overload-seconds", type=float, default=10.0)
    parser.add_argument("--speed-only", action="store_true", help="no faults, overload and SIGTERM")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
