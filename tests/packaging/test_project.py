"""The project says about itself what is true."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from places import ROOT

ROOMS = ("service", "models", "training", "reports")
FORBIDDEN_NAMES = {"found", "given", "wanted", "told", "known", "asked"}
"""They say nothing about the thing that they name."""


def tracked(pattern: str) -> list[Path]:
    """Files of the repository that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z", pattern], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def sources() -> list[Path]:
    return [
        file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")) if file.name != "__init__.py"
    ]


def names_bound(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything that gets a name: targets, parameters, functions, classes, aliases."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name) | ast.MatchAs(name=str(name)) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def test_a_name_is_the_noun_of_its_thing() -> None:
    uses = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in tracked("*.py")
        for line, name in names_bound(ast.parse(file.read_text()))
        if name.strip("_").lower() in FORBIDDEN_NAMES
    ]
    assert not uses, f"{len(uses)} names; the first: " + ", ".join(uses[:10])


def test_the_check_of_names_sees_every_way_to_bind_one() -> None:
    ways = (
        "found = 1",
        "for found in (): pass",
        "with x as found: pass",
        "def found(): pass",
        "def f(found): pass",
        "class Found: pass",
        "x.found = 1",
        "_found, b = 1, 2",
        "import os as found",
        "[1 for found in ()]",
        "if (found := 1): pass",
        "try: pass\nexcept E as found: pass",
    )
    for code in ways:
        assert "found" in {name.strip("_").lower() for _, name in names_bound(ast.parse(code))}, code
    assert "found" not in {name for _, name in names_bound(ast.parse("b = found(x.found)"))}


def test_the_architecture_is_short_and_names_only_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) < 150
    paths = set(
        re.findall(r"`((?:src|service|models|training|reports|tests|bench|deploy|docs)/[\w./]*)`", text)
    )
    missing = sorted(path for path in paths if not (ROOT / path).exists())
    assert paths
    assert not missing


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = {file.parent.relative_to(ROOT) for file in sources()}
    rooms = {folder for folder in folders if len(folder.parts) == 2}
    assert not [
        str(room) for room in sorted(rooms) if f"`{room}/`" not in text and f" `{room.name}/`" not in text
    ]


def test_evenhand_is_the_only_name_that_is_installed() -> None:
    owners = importlib.metadata.packages_distributions()
    assert set(owners.get("evenhand", ["evenhand"])) == {"evenhand"}
    assert not any("evenhand" in owners.get(room, ()) for room in ROOMS)


def test_the_wheel_holds_the_rooms_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"evenhand"}
    assert all(f"evenhand/{file.relative_to(ROOT)}" in names for file in sources())
    assert "evenhand/service/pages/dashboard.html" in names


def test_nothing_names_a_path_of_somebodys_machine() -> None:
    homes = re.compile(rb"/(?:root|home/[a-z]+|Users/[A-Za-z]+)/")
    for file in tracked("*"):
        if file.parent.name != "packaging":
            assert not homes.search(file.read_bytes()), file


def test_the_image_is_built_from_every_room() -> None:
    """A room that the build does not see is missing from the wheel in silence."""
    copied, sent = (
        (ROOT / "Dockerfile").read_text().splitlines(),
        (ROOT / ".dockerignore").read_text().splitlines(),
    )
    for package in ("src", *ROOMS):
        assert f"COPY {package} {package}" in copied
        assert f"!{package}" in sent


def test_make_help_says_what_every_target_does() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    text = (ROOT / "Makefile").read_text()
    targets = {name for line in re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE) for name in line.split()}
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=1) for line in printed.splitlines() if line.startswith("  ")]
    assert {target for target, _ in lines} == targets
    assert all(len(text.split()) >= 3 for _, text in lines)


def test_hooks_run_the_tools_of_the_project_and_download_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    entries = " ".join(hook["entry"] for hook in local["hooks"])
    lint = (ROOT / "Makefile").read_text().split("lint: ")[1].split("\n\n")[0]
    for tool in ("ruff format", "ruff check", "mypy", "lint-imports"):
        assert f".venv/bin/{tool}" in entries
        assert f"$(BIN)/{tool}" in lint


def test_the_changelog_keeps_its_form() -> None:
    headings = re.findall(r"^(##+) (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == ("##", "[Unreleased]")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for level, title in headings:
        assert title in kinds if level == "###" else re.fullmatch(r"\[.*\](?: - \d{4}-\d\d-\d\d)?", title), (
            title
        )


@pytest.mark.parametrize("folder", ROOMS)
def test_each_room_says_in_three_lines_what_it_is(folder: str) -> None:
    lines = (ROOT / folder / "README.md").read_text().splitlines()
    assert lines[0] == f"# {folder}"
    assert len([line for line in lines if line]) == 3
