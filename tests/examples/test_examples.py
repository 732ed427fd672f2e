"""Every example runs as its reader runs it: in an own folder, against the demo bundles on a real port."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from documents import ROOT, Reader
from places import SALARIES

from evenhand import load_bundle

EXAMPLES = ROOT / "examples"
RUN_BELOW = {"analyst.py", "app_developer.py", "data_scientist.py", "library.py", "platform_engineer.py"}
READ_BELOW = {"compose.override.yml", "README.md"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Iterator[Reader]:
    serving = Reader(tmp_path_factory.mktemp("reader"), EVENHAND_DURABILITY="request", EVENHAND_LOT_ROWS="1")
    serving.serve(f"evenhand serve {demo} {SALARIES}")
    yield serving
    serving.stop()


def run(name: str, folder: Path, *arguments: str, port: int = 0) -> str:
    """Run an example to its end; returns what it printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "EVENHAND_URL": f"http://127.0.0.1:{port}"}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_an_application_predicts_and_sends_feedback(reader: Reader, tmp_path: Path) -> None:
    printed = run("app_developer.py", tmp_path, port=reader.port)
    assert len(re.findall(r"': (?:not )?hate, score [01]\.\d\d", printed)) == 2
    assert "'': no answer: " in printed
    assert printed.count(": joined") == 2


@pytest.mark.parametrize("mode", ["shadow", "apply"])
def test_a_platform_engineer_switches_every_model(reader: Reader, tmp_path: Path, mode: str) -> None:
    printed = run("platform_engineer.py", tmp_path, mode, port=reader.port)
    assert printed.startswith("/readyz: 200")
    with urllib.request.urlopen(f"http://127.0.0.1:{reader.port}/models", timeout=600) as reply:
        models = json.load(reply)["models"]
    assert len(models) == 2
    for model in models:
        modes = {attribute["name"]: attribute["mode"] for attribute in model["attributes"]}
        corrected = {attribute["name"] for attribute in model["attributes"] if attribute["corrects"]}
        assert modes == {name: mode if name in corrected else "off" for name in modes}
        assert corrected


def test_an_analyst_gets_a_report_of_declared_groups(reader: Reader, tmp_path: Path, demo: Path) -> None:
    groups = ["mentioned", "not mentioned", "not mentioned"]
    body = {
        "model": demo.name,
        "inputs": ["nice day"] * 3,
        "groups": [{"any_group": group} for group in groups],
    }
    url, headers = f"http://127.0.0.1:{reader.port}/predict", {"content-type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60
    ).close()
    printed = run("analyst.py", tmp_path, port=reader.port)
    assert printed.startswith("# hate-speech 1.0.0, last 24 hours")
    any_group = printed.split("## any_group: ")[1].split("## ")[0]
    assert "rows with a declared group" in any_group
    assert "**insufficient data**" in any_group
    (reference,) = [line for line in any_group.splitlines() if line.startswith("| not mentioned |")]
    assert int(re.findall(r"n (\d+)\)", reference)[0]) >= 2


@pytest.mark.slow
def test_a_data_scientist_fits_and_evaluates(tmp_path: Path) -> None:
    printed = run("data_scientist.py", tmp_path)
    assert "accuracy, base: 0." in printed
    assert "(n 36200)" in printed  # those that the fit never saw
    assert (tmp_path / "report.html").is_file()


@pytest.mark.slow
def test_the_library_corrects_reports_and_saves(tmp_path: Path) -> None:
    printed = run("library.py", tmp_path)
    assert "on 36,200 rows that the fit never saw" in printed  # corrected or not, as the tests decide
    assert "hispanic_origin = yes" in printed
    assert load_bundle(tmp_path / "salaries").manifest.name == "salaries"


def test_the_override_changes_services_that_compose_has() -> None:
    whole = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    override = yaml.safe_load((EXAMPLES / "compose.override.yml").read_text())
    assert set(override["services"]) <= set(whole["services"])
    volume = override["services"]["evenhand"]["volumes"][0].split(":")[1]
    assert override["services"]["evenhand"]["command"] == ["serve", volume]


def test_every_example_is_tested_and_short() -> None:
    tracked = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert tracked == RUN_BELOW | READ_BELOW
    for name in tracked:
        assert len((EXAMPLES / name).read_text().splitlines()) <= 50, name
