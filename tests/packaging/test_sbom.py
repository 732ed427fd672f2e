"""The software bill of materials says what is installed, and nothing of the machine."""

import importlib.metadata
import importlib.util
import json
import shutil
import venv
from types import ModuleType
from typing import Any

import pytest
from places import ROOT

pytest.importorskip("cyclonedx_py")
PACKAGES = ("evenhand", "fastapi", "onnxruntime", "numpy", "protobuf", "starlette")


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sbom", ROOT / "deploy/make_sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The bill of an environment that holds some packages' metadata, validated against CycloneDX's schema."""
    folder = tmp_path_factory.mktemp("sbom")
    venv.create(folder / "venv")
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    for name in PACKAGES:
        said = importlib.metadata.distribution(name)._path  # type: ignore[attr-defined]
        shutil.copytree(said, site / said.name)
    out = folder / "dist/sbom.json"
    tool().make(folder / "venv/bin/python", out)
    contents: dict[str, Any] = json.loads(out.read_text())
    return contents


def test_it_is_of_evenhand_and_lists_what_serving_needs(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "evenhand")
    components = {one["name"]: one for one in bill["components"]}
    for name in ("onnxruntime", "fastapi"):
        assert components[name]["version"] == importlib.metadata.version(name)
        assert components[name]["licenses"]
        assert components[name]["purl"].startswith(f"pkg:pypi/{name}@")
    assert {*components, "evenhand"} == {*PACKAGES}


def installed(bill: dict[str, Any]) -> dict[str, str]:
    listed = (*bill["components"], bill["metadata"]["component"])
    return {tool()._plain(one["name"]): one["version"] for one in listed}


@pytest.mark.parametrize("wrong", ["left out", "too much", "other version", "no licence", "local"])
def test_a_bill_that_does_not_hold_is_refused(bill: dict[str, Any], wrong: str) -> None:
    there, changed, module = installed(bill), json.loads(json.dumps(bill)), tool()
    module.check(changed, there)
    (fastapi,) = [one for one in changed["components"] if one["name"] == "fastapi"]
    if wrong == "left out":
        changed["components"].remove(fastapi)
    elif wrong == "too much":
        changed["components"].append({"name": "stranger", "version": "1"})
    elif wrong == "other version":
        fastapi["version"] = "0"
    elif wrong == "no licence":
        del fastapi["licenses"]
    else:
        fastapi["externalReferences"] = [{"type": "other", "url": "file:///somewhere"}]
    with pytest.raises(module.WrongBillError, match=r"fastapi|stranger|machine"):
        module.check(changed, there)
