"""``evenhand demo``: a day of labelled traffic for a running service. Light to import; no torch."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from evenhand.cli.demo_result import in_words
from evenhand.cli.refusal import refuse
from evenhand.cli.service_client import Client, Failure, Refused

LOT = 32
"""Rows in one request."""
HOURS = 6
"""The window of the result: the longest one that shows single switches."""
TRIES, AGAIN_S = 40, 0.5
"""How often a decision that is not on record yet is looked for again."""
FOLLOW_S = 1.0
"""Until the service's other processes follow a switch."""
NO_KEY = (401, 403)
FORMAT = '{"input": ..., "groups": {"attribute": "group"}, "label": "..."}'
SCOPES = "predict, feedback and audit; admin as well to switch the correction"


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """One line of a file of traffic."""

    input: Any
    """As ``POST /predict`` takes it."""
    groups: dict[str, str]
    """Declared groups by attribute."""
    label: str
    """The true label, which the service learns of after its answer."""


@dataclass(slots=True)
class Sent:
    """What became of the rows."""

    results: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)
    """The first message of each result that has one."""

    def count(self, result: str, message: str | None = None) -> None:
        """One more."""
        self.results[result] += 1
        if message:
            self.messages.setdefault(result, message)


def demo(
    url: Annotated[str, typer.Option(help="Address of the service.")] = "http://127.0.0.1:8000",
    key: Annotated[str | None, typer.Option(help=f"Key with the scopes {SCOPES}.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Model; every served one that rows come with, if not given.")
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(help="Traffic: JSON lines with input, groups and label.", exists=True, dir_okay=False),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send no more rows than this.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Go on though the service is not on this machine.")
    ] = False,
) -> None:
    """Send a day of labelled traffic to a running service, and say what the correction changed.

    The correction is off for the first half of the rows and on for the second; then its modes are restored.
    Rows and labels stay in the service's record. Running it again adds as many.
    """
    try:
        client = Client(url, key)
        if not client.is_local and not yes:
            raise Failure(
                f"{url} is not on this machine. The demo writes rows and labels into its record, and "
                "switches its correction off and on.\nIf nobody relies on that service, add --yes"
            )
        for served, lines in _traffic(client, model, rows):
            _Story(client, served, _shuffled(lines)[:limit]).tell()
    except Refused as error:
        hint = f"\nThe demo needs a key with the scopes {SCOPES}: --key" if error.status in NO_KEY else ""
        refuse(f"{error}{hint}", 1)
    except Failure as error:
        refuse(str(error), 1)
    except KeyboardInterrupt:
        refuse("interrupted; the modes are as they were before", 130)


def _traffic(
    client: Client, name: str | None, file: Path | None
) -> list[tuple[dict[str, Any], list[TrafficRow]]]:
    """The live models to send to, each with its rows.

    Raises:
        Failure: there is none.
    """
    live = [each for each in client.get("/models")["models"] if each["role"] == "live"]
    names = ", ".join(each["name"] for each in live)
    chosen = [each for each in live if name in (None, each["name"])]
    if not chosen:
        raise Failure(f"no model {name} is served at {client.url}; there are {names}")
    if file is not None:
        if len(chosen) > 1:
            raise Failure(f"several models are served, {names}; say with --model which one the rows are for")
        return [(chosen[0], read_rows(file, chosen[0]))]
    packaged = resources.files("evenhand") / "traffic"
    # Only a plain name is looked up: a service must not choose which of this machine's files is sent to it.
    plain = [each for each in chosen if Path(each["name"]).name == each["name"]]
    files = [(each, packaged / f"{each['name']}.jsonl") for each in plain]
    come = [(each, read_rows(Path(str(place)), each)) for each, place in files if place.is_file()]
    if not come:
        raise Failure(
            f"no rows come with Evenhand for {', '.join(each['name'] for each in chosen)}.\n"
            f"Name a file of your own with --rows; each line is {FORMAT}"
        )
    return come


def read_rows(file: Path, served: Mapping[str, Any]) -> list[TrafficRow]:
    """The rows of a file.

    Args:
        file: JSON lines.
        served: The model, as ``GET /models`` describes it.

    Raises:
        Failure: the file cannot be read, or a line is no row of this model.
    """
    attributes = {each["name"] for each in served["attributes"]}
    rows = []
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_row(line, f"{file}, line {number}", served["labels"], attributes))
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not rows:
        raise Failure(f"{file} has no rows; each line is {FORMAT}")
    return rows


def _row(line: str, where: str, labels: Sequence[str], attributes: set[str]) -> TrafficRow:
    try:
        content = json.loads(line)
        row = TrafficRow(content["input"], dict(content["groups"]), content["label"])
    except (ValueError, TypeError, KeyError):
        raise Failure(f"{where} is no row; each line is {FORMAT}") from None
    if row.label not in labels:
        raise Failure(f"{where} has a label that the model does not have; it has {', '.join(labels)}")
    if not set(row.groups) <= attributes:
        raise Failure(
            f"{where} has an attribute that the model does not have; it has {', '.join(sorted(attributes))}"
        )
    return row


def _shuffled(rows: Sequence[TrafficRow]) -> list[TrafficRow]:
    """Rows in an order that gives both halves the same mix; always the same one."""
    return random.Random(0).sample(rows, len(rows))  # noqa: S311 - no secret


class _Story:
    """The traffic of one model.

    Args:
        client: Of the service.
        served: The model, as ``GET /models`` describes it.
        rows: What is sent, in this order.
    """

    def __init__(self, client: Client, served: Mapping[str, Any], rows: Sequence[TrafficRow]) -> None:
        self._client, self._rows = client, rows
        self._name = served["name"]
        self._version = served["version"]
        self._modes = {each["name"]: each["mode"] for each in served["attributes"]}
        self._corrected = [each["name"] for each in served["attributes"] if each["bundle_mode"] != "off"]
        self._met = dict(self._modes)
        self._sent = Sent()

    def tell(self) -> None:
        """Send the rows and say what came of them.

        Raises:
            Failure: the service refuses something that the story needs.
        """
        from evenhand.console import bar, say

        self._client.get("/fairness", model=self._name)  # refuses here, before anything is on record
        say(f"{self._name} {self._version}: sending {len(self._rows):,} rows with groups and true labels")
        begin, half = datetime.now(UTC), len(self._rows) // 2
        with _interruptible(), bar(f"sending to {self._name}") as show:
            try:
                switches = self._switches_off()
                self._send(0, half, show)
                if switches:
                    self._switch(self._corrected, "apply")
                    say(f"correction switched on for {', '.join(self._corrected)}")
                self._send(half, len(self._rows), show)
            finally:
                self._restore()
        self._say_result(begin)

    def _switches_off(self) -> bool:
        """Switch the correction off for the first half; whether it can be switched at all."""
        from evenhand.console import say

        if not self._corrected:
            say("the bundle corrects for no attribute: all rows are sent without a switch")
            return False
        try:
            self._switch(list(self._modes), "off")
        except Refused as error:
            say(f"the correction stays as it is: this key may not switch it ({error})")
            return False
        return True

    def _switch(self, attributes: Sequence[str], mode: str) -> None:
        """Switch attributes, all of them at once if it is all, and wait until every process follows."""
        changed = [name for name in attributes if self._modes[name] != mode]
        whole: list[str | None] = [None] if set(attributes) == set(self._modes) else list(attributes)
        for name in whole if changed else ():
            self._put(name, mode)
        time.sleep(FOLLOW_S if changed else 0.0)

    def _put(self, attribute: str | None, mode: str) -> None:
        before, names = dict(self._modes), list(self._modes) if attribute is None else [attribute]
        # Noted first: a switch whose answer does not arrive may have happened.
        self._modes.update(dict.fromkeys(names, "?"))
        try:
            self._client.put(f"/models/{self._name}/mode", {"attribute": attribute, "mode": mode})
        except Refused:
            self._modes = before
            raise
        self._modes.update(dict.fromkeys(names, mode))

    def _restore(self) -> None:
        """Bring back the modes that were met.

        Raises:
            Failure: it cannot be done; the message names them.
        """
        with _uninterruptible():
            try:
                for name, mode in self._met.items():
                    if self._modes[name] != mode:
                        self._put(name, mode)
            except Failure as error:
                modes = ", ".join(f"{name} {mode}" for name, mode in self._met.items())
                raise Failure(
                    f"the modes could not be restored ({error}).\n"
                    f"They were {modes}: set them with PUT /models/{self._name}/mode"
                ) from error

    def _send(self, begin: int, end: int, show: Any) -> None:  # noqa: ANN401 - of evenhand.console
        for start in range(begin, end, LOT):
            lot = self._rows[start : min(end, start + LOT)]
            body = {
                "model": self._name,
                "inputs": [row.input for row in lot],
                "groups": [row.groups for row in lot],
            }
            answers = self._client.post("/predict", body)["predictions"]
            labels = []
            for row, answer in zip(lot, answers, strict=True):
                if "error" in answer:
                    self._sent.count("refused", answer["error"]["message"])
                else:
                    labels.append({"id": answer["id"], "label": row.label})
            self._send_labels(labels)
            show(start + len(lot), len(self._rows))

    def _send_labels(self, items: list[dict[str, str]]) -> None:
        """Send true labels; a decision that is not on record yet is sent again a little later."""
        for attempt in range(TRIES):
            if not items:
                return
            time.sleep(AGAIN_S if attempt else 0.0)
            results = self._client.post("/feedback", {"feedback": items})["results"]
            late = []
            for item, result in zip(items, results, strict=True):
                if result["result"] == "orphan":
                    late.append(item)
                else:
                    self._sent.count(result["result"], result.get("message"))
            items = late
        for _ in items:
            self._sent.count("orphan", "the decision is not on record")

    def _say_result(self, begin: datetime) -> None:
        from evenhand.console import say

        joined = self._sent.results["joined"]
        say(f"{joined:,} rows answered and labelled")
        for result, n in self._sent.results.items():
            if result != "joined":
                say(f"{n:,} rows {result}: {self._sent.messages.get(result, 'see docs/howto/watch.md')}")
        trend = self._client.get("/fairness/trend", model=self._name, hours=HOURS)
        fairness = self._client.get("/fairness", model=self._name, hours=HOURS)
        typer.echo("\n".join(in_words(trend, fairness)))
        day, last = begin.date().isoformat(), datetime.now(UTC).date().isoformat()
        query = f"model={self._name}&hours={HOURS}".replace(" ", "%20")
        typer.echo(f"Dashboard: {self._client.url}/dashboard?{query}")
        typer.echo(f"Figures:   {self._client.url}/fairness?{query}")
        typer.echo(
            f"Report:    evenhand report --model '{self._name}' --from {day} --to {last} --out report.html"
        )
        typer.echo("These rows stay in the record; running the demo again adds as many.")


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _handled(handler: Any) -> Iterator[None]:  # noqa: ANN401 - as signal.signal takes it
    before = [signal.signal(number, handler) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler_before in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler_before)


def _interruptible() -> contextlib.AbstractContextManager[None]:
    """Any signal that ends a command ends it as Ctrl-C does, so that the modes are restored."""
    return _handled(signal.default_int_handler)


def _uninterruptible() -> contextlib.AbstractContextManager[None]:
    """Signals that end a command are ignored."""
    return _handled(signal.SIG_IGN)
