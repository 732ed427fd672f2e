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
        timeout=600,
        env={**os.environ, "COLUMNS": "200", **environment},
        check=False,
    )


def test_help_names_the_commands_without_loading_torch() -> None:
    process = evenhand("--help")
    assert process.returncode == 0
    assert all(command in process.stdout for command in ("serve", "bundle", "fit"))


def test_verify_says_ok_or_one_sentence(demo: Path, tmp_path: Path) -> None:
    good = evenhand("bundle", "verify", demo)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("ok: hate-speech")
    bad = evenhand("bundle", "verify", tmp_path)
    assert bad.returncode == 1
    assert bad.stderr.startswith("error: ")
    assert bad.stderr.count("\n") == 1


def test_inspect_shows_modes_and_figures(demo: Path) -> None:
    process = evenhand("bundle", "inspect", demo)
    assert process.returncode == 0
    assert all(
        word in process.stdout
        for word in ("race", "threshold", "worst cell", "certified: yes", "engine: onnx")
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["serve"], {}, "no bundle to serve"),
        (["serve", "/nowhere"], {}, "no readable manifest.json"),
        (["serve"], {"EVENHAND_PROT": "1"}, "did you mean EVENHAND_PORT"),
    ],
)
def test_serve_refuses_in_one_sentence(
    arguments: list[str], environment: dict[str, str], message: str
) -> None:
    process = evenhand(*arguments, **environment)
    assert process.returncode == 2
    assert message in process.stderr
    assert process.stderr.count("\n") == 1


def test_importing_the_service_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import evenhand.service.app, evenhand.cli.main, sys;"
        "print({'torch', 'transformers', 'onnx'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "set()"


def test_help_loads_no_heavy_package() -> None:
    heavy = {"torch", "transformers", "onnx", "onnxruntime", "pandas", "scipy", "sqlalchemy", "fastapi"}
    code = (
        "import sys; from evenhand.cli.main import app; app(['--help'], standalone_mode=False); "
        f"print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "package", "extras"),
    [
        (["fit", "--task", "table", "--data", "x", "--label", "y", "--out", "z"], "torch", "train"),
        (["report", "--from", "2026-11-01", "--to", "2026-11-02", "--out", "z"], "pandas", "report"),
        (["prefer", "--data", __file__, "--base", "b", "--out", "z"], "torch", "train,generative"),
        (["fit", "--task", "table", "--data", "x", "--label", "y", "--out", "z"], "onnxruntime", "cpu,train"),
        (["serve", "x"], "onnxruntime", "cpu"),
        (["bundle", "verify", "x"], "onnxruntime", "cpu"),
    ],
)
def test_a_command_says_in_two_lines_which_extra_it_needs(
    arguments: list[str], package: str, extras: str, tmp_path: Path
) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from evenhand.cli.main import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    command = "bundle verify" if arguments[0] == "bundle" else arguments[0]
    assert answer.returncode == 2
    assert answer.stderr == (
        f"error: evenhand {command} needs the package {package}, which is not installed here.\n"
        f"Install it with: pip install 'evenhand[{extras}]'\n"
    )


def test_doctor_says_that_the_runtime_is_missing_and_goes_on(demo: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['onnxruntime'] = None; from evenhand.cli.main import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", code, "doctor", demo],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert "bundle     not looked at: the package onnxruntime is not installed" in answer.stdout
    assert "clock" in answer.stdout


def test_an_error_names_files_with_brackets_as_they_are(tmp_path: Path) -> None:
    options = ["--task", "table", "--label", "y", "--attribute", "a", "--out", tmp_path / "out"]
    process = evenhand("fit", "--data", tmp_path / "[/rows].csv", *options)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {tmp_path}/[/rows].csv: not readable")


def test_a_card_that_is_no_text_is_refused(tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_bytes(bytes(range(128, 256)))
    options = ["--task", "table", "--data", "x", "--label", "y", "--out", "z", "--card", card]
    process = evenhand("fit", *options)
    assert process.returncode == 2
    assert "Invalid value: --card" in process.stderr
