"""`evenhand demo` as a process against a real service: the story, its errors, and what it leaves behind."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from places import DEMO, SALARIES
from serving import Server
from waiting import MOST_S, until
from written_bundle import FLIPPED, KIND, UNKIND, written

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.auth.key_file import new_key

EVENHAND = (sys.executable, "-m", "evenhand")
NAME = "hate-speech"
TEXTS = (
    ("muslims are welcome here", "mentioned", "not hate"),
    ("nobody should call muslims stupid", "mentioned", "not hate"),
    (FLIPPED, "mentioned", "hate"),
    (KIND, "not mentioned", "not hate"),
    (UNKIND, "not mentioned", "hate"),
    ("i hate mondays", "not mentioned", "not hate"),
)
Start = Callable[..., Server]


@pytest.fixture
def start(altered: Callable[..., Path]) -> Iterator[Start]:
    """Start a service whose bundle corrects for religion, and aims at equal opportunity."""
    started: list[Server] = []

    def serve(state: Path, mode: Any = "apply", name: str = NAME, **environment: str) -> Server:
        folder = written(altered(0.3, "off", mode, "off", "off", "off", name=name))
        manifest, _ = bundles.read_manifest(folder)
        aim = AttributeTarget(attribute="religion", measure="equal-opportunity")
        target = Target(attributes=[aim], max_loss=0.005)
        bundles.write_manifest(folder, manifest.model_copy(update={"target": target}))
        command = (*EVENHAND, "serve", str(folder), "--port", "PORT")
        started.append(Server(*command, EVENHAND_STATE=str(state), **environment))
        return started[-1]

    yield serve
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def traffic(tmp_path: Path) -> Callable[[int], Path]:
    def write(rows: int) -> Path:
        file = tmp_path / "traffic.jsonl"
        lines = (
            {"input": f"{text} {place}", "groups": {"religion": group}, "label": label}
            for place in range(rows)
            for text, group, label in (TEXTS[place % len(TEXTS)],)
        )
        file.write_text("\n".join(map(json.dumps, lines)))
        return file

    return write


def demo(server: Server | int, *options: str) -> subprocess.CompletedProcess[str]:
    port = server if isinstance(server, int) else server.port
    command = (*EVENHAND, "demo", "--url", f"http://127.0.0.1:{port}", *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S)
    assert "Traceback" not in done.stderr
    return done


def modes(server: Server) -> dict[str, str]:
    (model,) = server.get("/models")[1]["models"]
    return {each["name"]: each["mode"] for each in model["attributes"]}


OFF = dict.fromkeys(("any_group", "religion", "race", "gender", "orientation"), "off")


def test_the_story_is_told_on_record_and_the_modes_are_restored(
    start: Start, traffic: Callable[[int], Path], tmp_path: Path
) -> None:
    server = start(tmp_path / "state", mode="shadow")
    file = traffic(480)
    done = demo(server, "--rows", str(file))
    assert done.returncode == 0, done.stderr
    assert modes(server) == {**OFF, "religion": "shadow"}
    words = ["correction off", "correction applied", "correction in shadow"]
    # A switch is on record a moment after its reply, and the trend's reply is kept for some seconds.
    until(lambda: len(server.get("/fairness/trend?hours=6")[1]["marks"]) == len(words))
    trend = server.get("/fairness/trend?hours=6")[1]
    assert [mark["words"] for mark in trend["marks"]] == words
    (religion,) = trend["attributes"]
    off, applied = religion["stretches"]
    assert (off["rows"], applied["rows"]) == (240, 240)
    assert off["base"] == off["final"]
    assert applied["base"]["value"] != applied["final"]["value"]
    first, last = (
        next(line for line in done.stdout.splitlines() if f"  {words}:" in line) for words in words[:2]
    )
    for line, stretch in ((first, off), (last, applied)):
        base, final = (f"{100 * stretch[side]['value']:.1f} points" for side in ("base", "final"))
        assert f"{base} before correction, {final} after it" in line
    declared = server.get("/fairness")[1]["attributes"][1]["sources"]["declared"]
    correction = declared["correction"]
    assert (declared["rows"], correction["labels"]) == (480, 480)
    assert f"mended {correction['mended']} and broke {correction['broken']} of 480" in done.stdout
    assert f"Dashboard: http://127.0.0.1:{server.port}/dashboard?model={NAME}&hours=6" in done.stdout
    assert f"evenhand report --model '{NAME}' --from" in done.stdout
    assert "480 rows answered and labelled" in done.stderr
    again = demo(server, "--rows", str(file), "--limit", "40")
    assert again.returncode == 0
    assert "running the demo again adds as many" in again.stdout
    assert server.get("/fairness")[1]["attributes"][1]["sources"]["declared"]["rows"] == 520


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_demo_restores_the_modes(
    start: Start, traffic: Callable[[int], Path], tmp_path: Path, number: signal.Signals
) -> None:
    server = start(tmp_path / "state")
    before = modes(server)
    assert before["religion"] == "apply"
    url = f"http://127.0.0.1:{server.port}"
    command = (*EVENHAND, "demo", "--url", url, "--rows", str(traffic(60_000)))
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: modes(server)["religion"] == "off")
    running.send_signal(number)
    _, said = running.communicate(timeout=MOST_S)
    assert running.returncode == 130
    assert "interrupted; the modes are as they were before" in said
    assert modes(server) == before


def test_a_key_that_may_not_switch_sends_the_rows_all_the_same(
    start: Start, traffic: Callable[[int], Path], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    key = new_key(keys, "visitor", ["predict", "feedback", "audit"], None)
    server = start(tmp_path / "state", EVENHAND_KEYS_FILE=str(keys))
    file = traffic(48)
    without = demo(server, "--rows", str(file))
    assert without.returncode == 1
    assert "The demo needs a key with the scopes predict, feedback and audit" in without.stderr
    done = demo(server, "--rows", str(file), "--key", key)
    assert done.returncode == 0, done.stderr
    assert "the correction stays as it is: this key may not switch it" in done.stderr
    assert "48 rows answered and labelled" in done.stderr


def test_what_keeps_the_demo_from_running_is_said_before_anything_is_sent(
    start: Start, traffic: Callable[[int], Path], tmp_path: Path
) -> None:
    server = start(tmp_path / "state", EVENHAND_RECORD="off")
    file = traffic(6)
    bad, empty = tmp_path / "bad.jsonl", tmp_path / "empty.jsonl"
    bad.write_text('{"input": "a", "groups": {}, "label": "hate"}\n{"input": "a"}\n')
    empty.write_text("\n")
    label, attribute = tmp_path / "label.jsonl", tmp_path / "attribute.jsonl"
    label.write_text('{"input": "a", "groups": {}, "label": "secret"}')
    attribute.write_text('{"input": "a", "groups": {"height": "tall"}, "label": "hate"}')
    for options, message in (
        (("--rows", str(file)), "EVENHAND_RECORD"),
        (("--rows", str(bad)), "bad.jsonl, line 2 is no row"),
        (("--rows", str(empty)), "empty.jsonl has no rows"),
        (("--rows", str(label)), "has a label that the model does not have; it has hate, not hate"),
        (("--rows", str(attribute)), "has an attribute that the model does not have; it has any_group"),
        (("--model", "other"), f"no model other is served at http://127.0.0.1:{server.port}"),
    ):
        done = demo(server, *options)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.match("error: ", done.stderr)
        assert message in done.stderr
        assert len(done.stderr.splitlines()) <= 2
    assert modes(server)["religion"] == "apply"


def test_addresses_that_cannot_be_used_are_said() -> None:
    nothing = demo(1)
    assert nothing.returncode == 1
    assert nothing.stderr.startswith("error: no service answers at http://127.0.0.1:1")
    command = (*EVENHAND, "demo", "--url", "https://example.invalid")
    elsewhere = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S)
    assert elsewhere.returncode == 1
    assert "add --yes" in elsewhere.stderr


def test_of_two_models_each_gets_its_own_rows(tmp_path: Path) -> None:
    command = (*EVENHAND, "serve", str(DEMO), str(SALARIES), "--port", "PORT")
    server = Server(*command, EVENHAND_STATE=str(tmp_path / "state"))
    try:
        done = demo(server, "--limit", "40")
        assert done.returncode == 0, done.stderr
        for bundle in (DEMO, SALARIES):
            assert f"{bundle.name} 1.0.0: sending 40 rows with groups and true labels" in done.stderr
            assert f"dashboard?model={bundle.name}&hours=6" in done.stdout
            (first, *_) = server.get(f"/fairness?model={bundle.name}")[1]["attributes"]
            assert first["sources"]["declared"]["rows"] == 40
        without = server.get("/predict", {"inputs": "nice day"})
        assert without[0] == 422
        assert "name one in the field model" in without[1]["error"]["message"]
    finally:
        server.process.kill()
        server.process.wait()


def test_a_model_without_rows_of_its_own_asks_for_a_file(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "state", name="my own")
    done = demo(server)
    assert done.returncode == 1
    assert "no rows come with Evenhand for my own." in done.stderr
    assert '"label"' in done.stderr
