"""The project says about itself what is true."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("service", "models", "training", "reports")


def sources() -> list[Path]:
    return [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")) if file.name != "__init__.py"]


def test_the_architecture_names_every_source_file_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(
        re.findall(
            r"`((?:(?:access|routes|recipes|compare|correctors|causal|generative|record|monitoring|migrations|versions)/)*"
            r"[a-z0-9_]+\.py)`",
            text,
        )
    )
    found = {"/".join(file.relative_to(ROOT).parts[1:]) for file in sources()}
    assert found - named == set()
    assert named - found == set()
    assert len(text.splitlines()) <= 172


def test_files_and_functions_stay_small() -> None:
    import ast

    for file in sources():
        text = file.read_text()
        assert len(text.splitlines()) <= 300, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                last, body = node.end_lineno or 0, node.body
                documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
                first = body[1].lineno if documented and len(body) > 1 else body[0].lineno
                assert last - first < 40, f"{file}: {node.name}"


def test_every_setting_is_documented_in_the_readme() -> None:
    from evenhand.service.settings import Settings

    text = (ROOT / "README.md").read_text()
    missing = [name for name in Settings.model_fields if f"`EVENHAND_{name.upper()}`" not in text]
    assert not missing


def test_evenhand_is_the_only_name_that_is_installed() -> None:
    owners = importlib.metadata.packages_distributions()
    assert set(owners.get("evenhand", ["evenhand"])) == {"evenhand"}
    assert not any("evenhand" in owners.get(room, ()) for room in ROOMS)


def test_the_wheel_holds_the_rooms_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"evenhand"}
    assert all(f"evenhand/{file.relative_to(ROOT)}" in names for file in sources())
    assert "evenhand/service/pages/dashboard.html" in names


def test_nothing_names_a_path_of_somebodys_machine() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    homes = re.compile(rb"/(?:root|home/[a-z]+|Users/[A-Za-z]+)/")
    for name in tracked.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith("tests/packaging"):
            assert not homes.search((ROOT / name).read_bytes()), name


def test_the_image_is_built_from_every_room() -> None:
    """A room that the build does not see is missing from the wheel in silence."""
    copied, sent = (ROOT / "Dockerfile").read_text().splitlines(), (ROOT / ".dockerignore").read_text().splitlines()
    for package in ("src", *ROOMS):
        assert f"COPY {package} {package}" in copied
        assert f"!{package}" in sent
