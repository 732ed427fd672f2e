"""The site builds without a warning and loads nothing from elsewhere; its reference comes from the code."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)\s*=\s*["']?(?:https?:)?//[^\s"'>]+"""
)
FROM_STYLES = re.compile(r"""(?:@import|url\()\s*["']?(?:https?:)?//""")


def test_the_reference_is_what_the_code_says(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    pages = made.pages()
    # The page of bases has a script of its own.
    others = {"bases.md"}
    assert {path.name for path in (ROOT / "docs/reference").iterdir()} == set(pages) | others
    for name, text in pages.items():
        assert (ROOT / "docs/reference" / name).read_text() == text, (
            f"run: python docs/make_reference.py ({name})"
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="MkDocs is not installed (extra docs)")
    pytest.importorskip("material", reason="MkDocs Material is not installed (extra docs)")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_holds_every_page(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    for page in pages:
        assert (site / page / "index.html").is_file() or (site / page).with_suffix(".html").is_file(), page
    assert not list(site.rglob("*.py"))


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = re.sub(r"<link rel=\"canonical\"[^>]*>", "", page.read_text())
        assert not LOADED.search(text), f"{page.name}: {LOADED.search(text)}"
    for style in site.rglob("*.css"):
        assert not FROM_STYLES.search(style.read_text()), style.name
    assert LOADED.search('<script defer src="https://example.org/a.js">')
