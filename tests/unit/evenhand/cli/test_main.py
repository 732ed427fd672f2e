"""The command line: one sentence on standard error and a telling exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

EVENHAND = Path(sys.executable).parent / "evenhand"


def evenhand(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [EVENHAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "200", **environment},
        check=False,
    )


def test_help_names_the_commands_without_loading_torch() -> None:
    found = evenhand("--help")
    assert found.returncode == 0
    assert all(command in found.stdout for command in ("serve", "bundle", "fit"))


def test_verify_says_ok_or_one_sentence(demo: Path, tmp_path: Path) -> None:
    good = evenhand("bundle", "verify", demo)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("ok: hatexplain-toxicity")
    bad = evenhand("bundle", "verify", tmp_path)
    assert bad.returncode == 1
    assert bad.stderr.startswith("error: ")
    assert bad.stderr.count("\n") == 1


def test_inspect_shows_modes_and_figures(demo: Path) -> None:
    found = evenhand("bundle", "inspect", demo)
    assert found.returncode == 0
    assert all(word in found.stdout for word in ("race", "threshold", "worst cell", "certified: no", "engine: onnx"))


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["serve"], {}, "no bundle to serve"),
        (["serve", "/nowhere"], {}, "no readable manifest.json"),
        (["serve"], {"EVENHAND_PROT": "1"}, "did you mean EVENHAND_PORT"),
    ],
)
def test_serve_refuses_in_one_sentence(arguments: list[str], environment: dict[str, str], message: str) -> None:
    found = evenhand(*arguments, **environment)
    assert found.returncode == 2
    assert message in found.stderr
    assert found.stderr.count("\n") == 1


def test_importing_the_service_loads_neither_torch_nor_transformers() -> None:
    code = "import evenhand.service.app, evenhand.cli.main, sys; assert not {'torch', 'transformers', 'onnx'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
