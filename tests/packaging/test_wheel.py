"""What is installed: ``evenhand`` alone, from a wheel and from a wheel that was made of the source archive.

Each is installed into an environment that holds nothing else of ours, and is used in a folder that has
packages of its own called ``models``, ``service``, ``training`` and ``reports``, as most machine-learning
projects do. The packages of
others come from the environment of the tests: ``test_serving_install`` downloads them anew.
"""

import csv
import json
import os
import random
import socket
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from places import DEMO, ROOT

ROOMS = ("models", "service", "training", "reports")
LIMIT_S = 600.0
Run = Callable[..., subprocess.CompletedProcess[str]]


def build(target: str, source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_from_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "-xzf", archive, "-C", folder, "--strip-components=1"], check=True)
    return build("wheel", folder, tmp_path_factory.mktemp("rebuilt"))


def install(wheel: Path, folder: Path) -> Run:
    """Runs commands in an environment with this wheel, in a folder with packages named like our rooms."""
    venv.create(folder / "environment", with_pip=False)
    python = folder / "environment/bin/python"
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "environment")}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(own)
    # A line of a .pth file adds a folder and does not read that folder's own .pth files: our checkout stays
    # out.
    (own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    project = folder / "project"
    for room in ROOMS:
        (project / room).mkdir(parents=True)
        (project / room / "__init__.py").write_text(
            f"raise RuntimeError('the project's own {room} was imported')\n"
        )
    hidden = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}

    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *command],
            cwd=project,
            env={**hidden, "EVENHAND_STATE": str(folder / "state"), **environment},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run


@pytest.fixture(scope="module", params=["wheel", pytest.param("wheel_from_source", marks=pytest.mark.slow)])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return install(request.getfixturevalue(request.param), tmp_path_factory.mktemp("installed"))


COMMAND = ("-c", "from evenhand.cli.main import main; main()")
"""What the console script runs."""


def test_both_wheels_hold_the_same_files_below_evenhand(wheel: Path, wheel_from_source: Path) -> None:
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(wheel_from_source) as other:
        names = set(one.namelist())
        assert names == set(other.namelist())
        inside = [name for name in names if ".dist-info/" not in name]
        assert [one.read(name) for name in inside] == [other.read(name) for name in inside]
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"evenhand"}
    assert {"evenhand/py.typed", "evenhand/service/pages/dashboard.html", "evenhand/constraints.txt"} <= names


@pytest.mark.parametrize("start", [COMMAND, ("-m", "evenhand")])
def test_version(run: Run, start: tuple[str, ...]) -> None:
    answer = run(*start, "--version")
    assert (answer.returncode, answer.stdout.split()[0]) == (0, "evenhand"), answer.stderr


def test_the_public_api_comes_from_the_wheel(run: Run) -> None:
    code = (
        "import evenhand, pathlib, sys; [getattr(evenhand, name) for name in evenhand.__all__]; "
        "folder = pathlib.Path(evenhand.__file__).parent.name; "
        "print(folder, evenhand.load_bundle(sys.argv[1]).manifest.labels)"
    )
    answer = run("-c", code, str(DEMO))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("evenhand [")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


LABELS = ("hate", "not hate")
SERVE = """
import signal, subprocess, sys, threading, json, time, urllib.request
server = subprocess.Popen(sys.argv[2:])
url = f"http://127.0.0.1:{sys.argv[1]}"
try:
    for _ in range(6000):
        try:
            urllib.request.urlopen(url + "/readyz")
            break
        except OSError:
            assert server.poll() is None, "the server ended"
            time.sleep(0.1)
    body = json.dumps({"inputs": ["what a lovely day"]}).encode()
    request = urllib.request.Request(url + "/predict", body, {"content-type": "application/json"})
    print(json.load(urllib.request.urlopen(request))["predictions"][0]["label"])
finally:
    server.send_signal(signal.SIGTERM)
    server.wait()
"""


@pytest.mark.parametrize("factory", [False, True])
def test_it_serves(run: Run, factory: bool) -> None:
    port = str(free_port())
    python = "import sys; print(sys.executable)"
    executable = run("-c", python).stdout.strip()
    if factory:
        command = (
            executable,
            "-m",
            "uvicorn",
            "evenhand.service.app:create_app",
            "--factory",
            "--port",
            port,
        )
    else:
        command = (executable, *COMMAND, "serve", str(DEMO), "--port", port)
    answer = run("-c", SERVE, port, *command, EVENHAND_BUNDLES=str(DEMO))
    assert answer.stdout.splitlines()[-1] in LABELS, answer.stderr


def test_it_fits_a_tiny_table(run: Run, tmp_path: Path) -> None:
    draw = random.Random(0)
    with (tmp_path / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("hours", "age", "sex", "income"))
        for _ in range(240):
            hours, sex = draw.uniform(10, 60), draw.choice(("Female", "Male"))
            writer.writerow((round(hours, 1), draw.randint(18, 80), sex, "high" if hours > 35 else "low"))
    options = ("--task", "table", "--label", "income", "--attribute", "sex", "--reference", "sex=Male")
    columns = ("--feature", "hours", "--feature", "age", "--favourable", "high")
    columns += ("--epochs", "1", "--no-certificate")
    data = ("--data", str(tmp_path / "people.csv"), "--out", str(tmp_path / "bundle"))
    answer = run(*COMMAND, "fit", *data, *options, *columns, OMP_NUM_THREADS="1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert json.loads((tmp_path / "bundle/manifest.json").read_text())["labels"]


def pip(python: str, *requirements: str) -> None:
    constraints = ("-c", str(ROOT / "constraints.txt"))
    subprocess.run([python, "-m", "pip", "install", "--quiet", *constraints, *requirements], check=True)


@pytest.mark.slow
def test_serving_install(wheel: Path, tmp_path: Path) -> None:
    """With nothing but what the wheel asks for: it serves, and each other command says which extra it needs.

    With the image's extras ``evenhand report`` then reads the record of what was served, without torch.
    """
    venv.create(tmp_path / "environment", with_pip=True)
    python = str(tmp_path / "environment/bin/python")
    command = str(tmp_path / "environment/bin/evenhand")
    state = {**os.environ, "EVENHAND_STATE": str(tmp_path / "state")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(arguments, cwd=tmp_path, env=state, capture_output=True, text=True, check=False)

    pip(python, f"{wheel}[cpu]")
    port = str(free_port())
    served = run(python, "-c", SERVE, port, command, "serve", str(DEMO), "--port", port)
    assert served.stdout.strip() in LABELS, served.stderr
    today = datetime.now(UTC).date().isoformat()
    report = ("report", "--from", today, "--to", today, "--out", "report.html")
    refused = {
        (
            "fit",
            "--task",
            "table",
            "--data",
            "x.csv",
            "--label",
            "y",
            "--attribute",
            "a",
            "--out",
            "made",
        ): "train",
        ("evaluate", str(DEMO), "--data", __file__): "train",
        ("causal", str(DEMO), "--data", __file__, "--graph", __file__, "--attribute", "a"): "train,causal",
        ("prefer", "--data", __file__, "--base", "b", "--out", "made"): "train,generative",
        report: "report",
    }
    for arguments, extras in refused.items():
        answer = run(command, *arguments)
        assert answer.returncode == 2, arguments
        assert answer.stderr.count("\n") == 2, answer.stderr
        assert f"evenhand[{extras}]" in answer.stderr
    pip(python, f"{wheel}[cpu,image,jwt,otel,postgres,report]")
    assert run(python, "-c", "import torch").returncode == 1
    answer = run(command, *report)
    assert answer.returncode == 0, answer.stderr
    assert "<html" in (tmp_path / "report.html").read_text()
