"""Thousands of valid and invalid requests to every operation of the service's own OpenAPI.

    python -m bench.attack --cases 5000            # in process
    python -m bench.attack --cases 500 --server    # the same against a real server on 127.0.0.1

No reply may be of status 5xx, and every reply must be of a documented status, type and schema. schemathesis
makes the requests; two thirds of those with a name in their path name a model or a decision that is there.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis import openapi as loaders
from schemathesis.checks import not_a_server_error
from schemathesis.python.asgi import get_client
from schemathesis.specs.openapi import checks

from bench import prepare
from bench.process import stop_on_sigterm
from bench.servers import evenhand
from evenhand.service.app import create_app
from evenhand.service.settings import Settings

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
TOKEN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


class Attack:
    """Sends requests to one service and keeps the failures.

    Args:
        schema: Its OpenAPI, with the way to reach it.
        existing: A value that exists, by name of a path parameter.
    """

    def __init__(self, schema: schemathesis.BaseSchema, existing: dict[str, str]) -> None:
        self._schema = schema
        self._existing = existing
        self.statuses: Counter[int] = Counter()
        self.failures: dict[str, str] = {}
        """By operation and failed check: how to reproduce it."""

    @property
    def cases(self) -> int:
        """How many requests were answered."""
        return self.statuses.total()

    def run(self, cases: int, seed: int) -> None:
        """Send equally many requests to all operations, in rounds, until ``cases`` are answered."""
        operations = [result.ok() for result in self._schema.get_all_operations()]
        strategies = [(operation, mode) for operation in operations for mode in MODES]
        while self.cases < cases:
            each = max(1, (cases - self.cases) // len(strategies))
            seed += 1
            for operation, mode in strategies:
                self._attack(operation, mode, each, seed)
                print(f"{self.cases:6d} of {cases}  {operation.label}  {mode.value}", flush=True)

    def _attack(
        self, operation: APIOperation[Any, Any, Any], mode: GenerationMode, cases: int, seed: int
    ) -> None:
        names = {parameter.name for parameter in operation.path_parameters}
        existing = {name: value for name, value in self._existing.items() if name in names}
        made = operation.as_strategy(generation_mode=mode)
        if existing:
            there = operation.as_strategy(generation_mode=mode, path_parameters=existing)
            made = st.one_of(there, there, made)

        @seeded(seed)
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(made)
        def ask(case: Case) -> None:
            self._ask(case)

        with contextlib.suppress(Unsatisfiable):  # an operation without a parameter has no invalid request
            ask()

    def _ask(self, case: Case) -> None:
        reply = case.call(timeout=60)
        self.statuses[reply.status_code] += 1
        try:
            case.validate_response(reply, checks=CHECKS)
            _sane(reply)
        except (AssertionError, BaseExceptionGroup) as error:
            reasons = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
            for reason in reasons:
                title = f"{case.operation.label}: {reply.status_code}: {type(reason).__name__}"
                self.failures.setdefault(title, f"{reason}\n{case.as_curl_command()}")


def _sane(reply: Response) -> None:
    """Every reply has the required headers, each once and on one line."""
    headers = {name.lower(): values for name, values in reply.headers.items()}
    assert TOKEN.fullmatch(headers.get("x-request-id", [""])[0]), "no plain x-request-id"
    assert len(headers.get("content-type", [])) == 1, "no content-type, or several"
    assert not any(re.search(r"[\r\n\0]", value) for values in headers.values() for value in values), (
        "split headers"
    )


@contextlib.contextmanager
def in_process(state: Path) -> Iterator[Attack]:
    """The real application over the demo bundle, reached without a socket."""
    app = create_app(Settings(bundles=(prepare.BUNDLE,), state=state))
    schema = loaders.from_asgi(
        "/openapi.json", app
    )  # starts the application, which stays up until the process ends
    with get_client(app) as client:
        existing = _existing_names(client.post("/predict", json={"inputs": "a"}).json())
    yield Attack(schema, existing)


@contextlib.contextmanager
def on_a_server() -> Iterator[Attack]:
    """A server of its own."""
    with evenhand().running() as running:
        address = f"http://127.0.0.1:{running.port}"
        existing = _existing_names(httpx.post(f"{address}/predict", json={"inputs": "a"}).json())
        yield Attack(loaders.from_url(f"{address}/openapi.json"), existing)


def _existing_names(reply: dict[str, Any]) -> dict[str, str]:
    """Values of path parameters that exist."""
    model, version, decision = reply["model"], reply["version"], reply["predictions"][0]["id"]
    return {"name": model, "model": model, "version": version, "id": decision}


def main() -> None:
    """Attack our own service."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=5000, help="requests in all; a few more are sent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", action="store_true", help="against a server that is started for it")
    options = parser.parse_args()
    stop_on_sigterm()
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as state,
        on_a_server() if options.server else in_process(Path(state)) as attack,
    ):
        attack.run(options.cases, options.seed)
    for title, how in attack.failures.items():
        print(f"\n{title}\n{how}")
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(attack.statuses.items()))
    seconds = time.monotonic() - started
    print(f"\n{attack.cases} cases in {seconds:.0f} s: {statuses}; {len(attack.failures)} failures")
    sys.exit(bool(attack.failures))


if __name__ == "__main__":
    main()
