"""Every method has a page, every page is in the navigation, and the index is generated from the code."""

import importlib.util
import re
from collections import Counter
from types import ModuleType

import pytest
from places import ROOT

from evenhand.training.baselines.index import METHODS, STAGES
from evenhand.training.correctors import correctors

PARTS = ("**Definition.**", "in training", "in serving", "**What it does not do.**")


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_methods", ROOT / "docs/make_methods.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_method_has_one_page_and_every_page_is_about_methods_that_exist(made: ModuleType) -> None:
    pages = Counter(name for text in made.pages().values() for name in made.about(text))
    assert pages == Counter(method.name for method in METHODS)


def test_every_corrector_is_on_a_page(made: ModuleType) -> None:
    everything = " ".join("".join(made.pages().values()).split())
    for name in set(correctors()) - {"lora", "none"}:
        assert f"`evenhand fit --method {name}`" in everything, name


def test_every_page_says_what_it_must(made: ModuleType) -> None:
    for file, text in made.pages().items():
        if made.about(text):
            assert all(part in text for part in PARTS), file
            assert re.search(r"^    \S", text, re.MULTILINE), f"{file}: no formula"


def test_every_page_is_in_the_navigation(made: ModuleType) -> None:
    named = re.findall(r"methods/([\w-]+\.md)", (ROOT / "mkdocs.yml").read_text())
    assert sorted(named) == sorted([*made.pages(), made.INDEX])


def test_the_index_is_what_the_code_says(made: ModuleType) -> None:
    assert (made.HERE / made.INDEX).read_text() == made.index(), "run: python docs/make_methods.py"
    assert set(made.TITLES) == set(STAGES)
