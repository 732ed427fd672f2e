"""Documents are short, their links lead somewhere, and what they name exists."""

import re
import subprocess
from pathlib import Path

import pytest
from documents import ROOT

from evenhand.service.auth.policy import TABLE
from evenhand.service.settings import Settings

LONGEST = 110
MADE = ("docs/reference/", "docs/methods/index.md", "bundles/", "tests/older/")
"""Written by a program."""
BY_OTHERS = {
    "EVENHAND_CONFIG",  # the place of the settings file
    "EVENHAND_DATA",  # of tests
    "EVENHAND_URL",  # of examples
    "EVENHAND_API_KEY",
    "EVENHAND_SITE",  # of docker-compose.yml
    "EVENHAND_TLS",
    "EVENHAND_TLS_FOLDER",
    "EVENHAND_LISTEN",
}
"""Variables that are no settings of the service."""
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
COMMAND = re.compile(r"\bevenhand ((?:bundle |audit |key )?[a-z]+)((?: [^|;&#\n`]*)?)")


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [name for name in listed.stdout.split() if not name.startswith(MADE)]
    return [ROOT / name for name in paths if (ROOT / name).is_file()]


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def prose(document: Path) -> list[tuple[int, str]]:
    """Lines outside code and tables, with their numbers."""
    lines, in_code = [], False
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith("|") and not line.startswith("    "):
            lines.append((number, line))
    return lines


def test_no_line_of_prose_is_longer_than_a_line_of_code() -> None:
    too_long = [
        f"{name_of(document)}:{number}"
        for document in documents()
        for number, line in prose(document)
        if len(line) > LONGEST
    ]
    assert not too_long


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{name_of(document)}: {target}"
        for document in documents()
        for target in LINK.findall(document.read_text())
        if not (document.parent / target).exists()
    ]
    assert not broken


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    settings = {f"EVENHAND_{name.upper()}" for name in Settings.model_fields}
    reference = (ROOT / "docs/reference/settings.md").read_text()
    assert not [name for name in settings if f"`{name}`" not in reference]
    for document in documents():
        named = set(re.findall(r"\bEVENHAND_[A-Z][A-Z_]*[A-Z]\b(?!_\*)", document.read_text()))
        prefixes = set(re.findall(r"\b(EVENHAND_[A-Z_]*[A-Z])_\*", document.read_text()))
        assert named - settings - BY_OTHERS - prefixes == set(), document


def test_every_route_is_documented() -> None:
    reference = (ROOT / "docs/reference/api.md").read_text()
    for route in TABLE:
        method, path = route.split()
        if path not in ("/dashboard", "/docs", "/openapi.json"):
            assert f"`{method} {path}`" in reference, route


def test_every_documented_series_exists() -> None:
    exposed = set(re.findall(r"`(evenhand_\w+)`", (ROOT / "docs/reference/series.md").read_text()))
    rules = "".join(file.read_text() for file in (ROOT / "deploy/prometheus/rules").glob("*.yml"))
    for document in documents():
        for series in re.findall(r"`(evenhand_[a-z_]+)(?:\{[^`]*)?`", document.read_text()):
            base = re.sub(r"_(bucket|sum|count)$", "", series)
            assert series in exposed or base in exposed or series in rules, f"{name_of(document)}: {series}"


def test_every_documented_option_of_a_command_exists() -> None:
    sections = re.split(r"^## ", (ROOT / "docs/reference/cli.md").read_text(), flags=re.MULTILINE)[1:]
    options = {part.split("`")[1]: set(re.findall(r"`(--[a-z-]+)`", part)) for part in sections}
    checked = 0
    for document in documents():
        text = document.read_text().replace("\\\n", " ")
        for command, rest in COMMAND.findall(text):
            name = f"evenhand {command}"
            if name not in options:
                continue
            checked += 1
            for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", rest):
                assert option in options[name] | {"--help"}, f"{name_of(document)}: {name} {option}"
    assert checked > 50


def test_every_documented_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in documents():
        code = re.findall(r"`([^`\n]+)`|^(make .*)$", document.read_text(), re.MULTILINE)
        for line in (inline or block for inline, block in code):
            for target in re.findall(r"(?:^|&& )make ([a-z][a-z-]*)", line):
                assert f"\n{target}:" in makefile, f"{name_of(document)}: make {target}"
