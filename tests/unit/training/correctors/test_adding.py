"""The page on adding a corrector tells the truth: its file alone makes a method, which holds what every one holds."""

import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from corrector_cases import learnt
from documents import blocks
from tiny_model import inputs_of

import evenhand.training.correctors
from evenhand.models.onnx.torch_export import to_onnx
from evenhand.training.baselines.ours import lines_of
from evenhand.training.correctors import correctors, named

NAME = "mean-matching"
pytestmark = pytest.mark.usefixtures("exports_once")
EVERY = Path(__file__).parent / "test_every.py"
PARAMETRISED = {"mode": 2, "threshold": 2.0}
MODULE, TESTS = (block.code for block in blocks("docs/howto/add-corrector.md"))


def imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that is part of the package, with the page's module in it and nothing else."""
    folder = tmp_path_factory.mktemp("added")
    (folder / "mean_matching.py").write_text(MODULE)
    (folder / "test_mean_matching.py").write_text(TESTS)
    evenhand.training.correctors.__path__.append(str(folder))
    importlib.invalidate_caches()
    correctors.cache_clear()
    yield folder
    evenhand.training.correctors.__path__.remove(str(folder))
    correctors.cache_clear()


def checks_in(module: ModuleType) -> dict[str, object]:
    return {name: test for name, test in vars(module).items() if name.startswith("test_")}


def test_its_file_makes_it_a_method_of_fit_and_of_the_comparison(added: Path) -> None:
    assert [line.name for line in lines_of(named(NAME))] == [f"gated-{NAME}"]
    assert NAME in correctors()


def test_its_own_tests_pass(added: Path) -> None:
    found = checks_in(imported(added / "test_mean_matching.py"))
    assert len(found) == 2
    for test in found.values():
        test()


def test_it_holds_what_every_corrector_holds(added: Path, tmp_path: Path) -> None:
    every = imported(EVERY)
    fairnet, given, notes = learnt(NAME, tmp_path)
    graph = to_onnx(fairnet, sample=inputs_of("bert", 3))
    known = {
        "case": (fairnet, given, notes, graph, every.session(graph)),
        "tmp_path": tmp_path,
        **PARAMETRISED,
    }
    ran = 0
    for test in checks_in(every).values():
        names = inspect.signature(test).parameters
        if "case" in names:
            test(**{name: known[name] for name in names})
            ran += 1
    assert ran >= 7
