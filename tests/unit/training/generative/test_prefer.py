"""``evenhand prefer``: a tiny model that was taught a bias prefers otherwise afterwards; its base stays as it was."""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from peft import PeftModel
from safetensors.torch import load_file
from typer.testing import CliRunner

from evenhand.cli.generative import _or_one_line
from evenhand.cli.generative import prefer as command
from evenhand.training.data.dataset import DataError
from evenhand.training.generative import dpo, language, prefer
from evenhand.training.generative.options import Common, Preference
from evenhand.training.generative.pairs import PairColumns, read_pairs
from evenhand.training.generative.prepared import prepare
from evenhand.training.generative.scores import likelihoods

app = typer.Typer()
app.command()(command)
OPTIONS = ("--learning-rate", "3e-3", "--rank", "4", "--epochs", "3", "--hold-out", "0.4", "--group", "group")


@pytest.fixture(scope="module", autouse=True)
def trl() -> None:
    pytest.importorskip("trl", reason="TRL is not installed: the extra `generative`")


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def tuned(base: Path, tables: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the command wrote."""
    before, out = hashes(base), tmp_path_factory.mktemp("tuned") / "adapter"
    files = ("--data", tables[0], "--neutral", tables[1], "--base", base, "--out", out)
    result = CliRunner().invoke(app, [*map(str, files), *OPTIONS])
    assert result.exit_code == 0, result.output
    assert "preference" in result.output
    assert hashes(base) == before
    return out


@pytest.fixture(scope="module")
def card(tuned: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tuned / "card.json").read_text())
    return found


def test_the_preferred_answer_becomes_the_likelier_one_on_held_out_pairs(card: dict[str, Any]) -> None:
    found = card["held_out"]["tuned"]
    accuracy = found["preference_accuracy"]
    assert accuracy["base"]["value"] < 0.2
    assert accuracy["final"]["value"] > 0.9
    assert accuracy["final"]["n"] == card["counts"]["pairs held out"] == 51
    assert accuracy["difference"]["low"] > 0.5
    assert found["verdict"] == "preference accuracy rose"
    assert found["margin"]["change"]["low"] > 0
    assert set(found["groups"]) == {"alpha", "beta"}
    assert {of["verdict"] for of in found["groups"].values()} == {"insufficient data"}


def test_the_card_tells_what_is_in_the_files(
    tuned: Path, card: dict[str, Any], base: Path, tables: tuple[Path, Path]
) -> None:
    """The adapter is loaded by PEFT alone and asked again."""
    pairs = read_pairs(tables[0], PairColumns(), 0.4, seed=0).held_out
    model, prompt_format = language.load(str(base), "float32", plain=False)
    tokens = [prompt_format.pair(pair) for pair in pairs]
    assert card["held_out"]["tuned"]["margin"]["base"]["value"] == pytest.approx(
        likelihoods(model, tokens, "base").margin.mean(), rel=1e-4
    )
    model = PeftModel.from_pretrained(model, str(tuned)).eval()
    assert card["held_out"]["tuned"]["margin"]["final"]["value"] == pytest.approx(
        likelihoods(model, tokens, "tuned").margin.mean(), rel=1e-4
    )


def test_drift_on_neutral_prompts_is_measured(card: dict[str, Any]) -> None:
    found = card["neutral"]["tuned"]
    assert found["prompts"] == card["counts"]["neutral prompts held out"] == 128
    assert found["kl_per_position"] > 0
    assert found["perplexity"]["base"] > 1
    assert found["perplexity"]["final"] != found["perplexity"]["base"]


def test_the_folder_is_an_adapter_with_its_card_and_names_no_path(
    tuned: Path, card: dict[str, Any], base: Path, tables: tuple[Path, Path]
) -> None:
    names = {"adapter_config.json", "adapter_model.safetensors", "card.json", "MODEL_CARD.md"}
    assert {file.name for file in tuned.iterdir()} == names
    assert json.loads((tuned / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny-lm"
    assert set(load_file(tuned / "adapter_model.safetensors"))
    found = hashes(tuned)
    assert card["files"] == {
        name: found[name] for name in ("adapter_config.json", "adapter_model.safetensors")
    }
    for use, table in zip(("pairs", "neutral"), tables, strict=True):
        assert card["data"][use]["sha256"] == sha256(table.read_bytes()).hexdigest()
    assert card["settings"]["learning_rate"] == 3e-3
    for file in ("card.json", "MODEL_CARD.md", "adapter_config.json"):
        assert str(base.parent) not in (tuned / file).read_text()
    words = (tuned / "MODEL_CARD.md").read_text()
    assert "Evenhand does not serve it" in words
    assert "preference accuracy rose" in words
    assert "| alpha |" in words


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    base: Path, tables: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = Common(str(base), PairColumns(), max_tokens=64, hold_out=0.4)
    own = Preference(rank=2, alpha=4, epochs=1, learning_rate=1e-3, batch_rows=8, checkpoint_steps=3)

    def learn(work: Path) -> dict[str, Any]:
        prepared = prepare(common, tables[0], None)
        model = dpo.tune(prepared.model, prepared.prompt_format, prepared.pairs.learn, (common, own), work)
        return {name: value for name, value in model.named_parameters() if "lora_" in name}

    whole = learn(tmp_path / "whole")

    def stop(_: Any, __: Any, state: Any, control: Any, **___: Any) -> None:
        if state.global_step == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dpo._TrainerProgress, "on_step_end", stop)
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path / "stopped")
    # What a kill in the middle of writing leaves: a folder that is newer, and not whole.
    (tmp_path / "stopped/checkpoint-9").mkdir()
    last = dpo.last_checkpoint(tmp_path / "stopped")
    assert last is not None
    assert last.name == "checkpoint-6"
    resumed = learn(tmp_path / "stopped")
    assert len(resumed) == len(whole) > 0
    assert all((resumed[name] == value).all() for name, value in whole.items())


def invoke(**options: object) -> Any:
    words = [str(word) for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    return CliRunner().invoke(app, words)


def test_what_a_user_can_mend_is_one_line(
    base: Path, tables: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = {"data": tables[0], "base": base, "out": tmp_path / "out"}
    short = invoke(**common, max_tokens=3)
    assert (short.exit_code, short.stdout) == (1, "")
    assert "left out: 128 longer than --max-tokens. Raise --max-tokens, or try --plain" in short.stderr
    missing = invoke(**(common | {"base": tmp_path / "nothing"}))
    assert missing.exit_code == 1
    assert "cannot be loaded as a causal language model" in missing.stderr
    existing = invoke(**(common | {"out": tmp_path}))
    assert existing.exit_code == 1
    assert "remove it or choose another --out" in existing.stderr
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    crowded = invoke(**common)
    assert crowded.exit_code == 1
    assert "make one visible" in crowded.stderr
    monkeypatch.setitem(sys.modules, "trl", None)
    absent = invoke(**common)
    assert absent.exit_code == 1
    assert "install the extra `generative`" in absent.stderr
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_too_small_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def start() -> dict[str, Any]:
        raise torch.OutOfMemoryError("a page of figures")

    with pytest.raises(typer.Exit):
        _or_one_line(start)
    assert "lower --max-tokens" in capsys.readouterr().err


def test_it_runs_in_bfloat16_and_says_what_it_does_not_know(
    base: Path, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    common = Common(str(base), PairColumns(), precision="bfloat16", hold_out=0.9)
    out = tmp_path / "out"
    prefer.run(
        common, Preference(rank=2, alpha=4, epochs=1, learning_rate=1e-3), (tables[0], None), out, tmp_path
    )
    assert all(value.isfinite().all() for value in load_file(out / "adapter_model.safetensors").values())
    assert "**Not measured**: no neutral prompts were given" in (out / "MODEL_CARD.md").read_text()


def test_a_learning_rate_that_breaks_the_adapter_is_said(
    base: Path, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    common = Common(str(base), PairColumns(), hold_out=0.9)
    with pytest.raises(DataError, match="diverged at --learning-rate 1e\\+30; lower it"):
        prefer.run(
            common, Preference(epochs=2, learning_rate=1e30), (tables[0], None), tmp_path / "out", tmp_path
        )
