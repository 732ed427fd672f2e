"""``evenhand steer``: a shut gate is the base bit for bit, an open one moves it, generation agrees."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from tiny_language import KIND, RUDE, random_model
from torch import Tensor, nn
from typer.testing import CliRunner

from evenhand.cli.generative import steer as command
from evenhand.training.data.dataset import DataError
from evenhand.training.generative import language
from evenhand.training.generative.gated_steering import GatedSteering, Steered, SteeringSettings, load
from evenhand.training.generative.language import PromptFormat, TokenPair
from evenhand.training.generative.learn_steering import learn, mean_states
from evenhand.training.generative.pairs import PairColumns, read_neutral, read_pairs

app = typer.Typer()
app.command()(command)
Loaded = tuple[nn.Module, PromptFormat]


@pytest.fixture(scope="module")
def loaded(base: Path) -> Loaded:
    return language.load(str(base), "float32", plain=False)


@pytest.fixture(scope="module")
def tokens(
    loaded: Loaded, tables: tuple[Path, Path]
) -> tuple[list[TokenPair], list[TokenPair], list[list[int]]]:
    """Pairs to learn from, pairs held out, neutral prompts held out."""
    pairs, neutral = (
        read_pairs(tables[0], PairColumns(), 0.4, seed=0),
        read_neutral(tables[1], "prompt", 0.4, seed=0),
    )
    prompt_format = loaded[1]
    return (
        [prompt_format.pair(pair) for pair in pairs.learn],
        [prompt_format.pair(pair) for pair in pairs.held_out],
        [prompt_format.prompt(text) for text in neutral.held_out],
    )


@pytest.fixture(scope="module")
def learnt(loaded: Loaded, tokens: Any, tables: tuple[Path, Path]) -> GatedSteering:
    prompts = [loaded[1].prompt(text) for text in read_neutral(tables[1], "prompt", 0.4, seed=0).learn]
    return learn(loaded[0], tokens[0], prompts, SteeringSettings("tiny", "0" * 64, 2, 4, 2.0, 0.5))


def at_random(width: int, layer: int = 2, threshold: float = 0.5) -> GatedSteering:
    generator = torch.Generator().manual_seed(1)
    direction, weight = torch.randn(2, width, generator=generator)
    return GatedSteering(
        SteeringSettings("tiny", "0" * 64, layer, 4, 1.5, threshold), direction, weight, torch.zeros(1)
    )


@torch.no_grad()
@pytest.mark.parametrize(("kind", "width"), [("llama", 48), ("gpt2", 32)])
def test_a_shut_gate_is_the_base_bit_for_bit_whatever_the_other_rows_are(kind: str, width: int) -> None:
    model = random_model(kind)
    ids = torch.randint(4, 400, (12, 9), generator=torch.Generator().manual_seed(0))
    base = model(input_ids=ids).logits
    steered = Steered(model, at_random(width))
    with steered.attached():
        logits = model(input_ids=ids).logits
        assert steered.open is not None
        shut = ~steered.open
    assert 0 < int(shut.sum()) < 12
    assert torch.equal(logits[shut], base[shut])
    assert (logits[~shut, -1] != base[~shut, -1]).any(-1).all()
    assert torch.equal(logits[:, :-1], base[:, :-1])  # nothing before the prompt's end is changed
    endless = replace(at_random(width, threshold=1.1), direction=torch.full((width,), torch.inf))
    with Steered(model, endless).attached():
        assert torch.equal(model(input_ids=ids).logits, base)
    assert torch.equal(model(input_ids=ids).logits, base)  # nothing stays behind


@torch.no_grad()
def test_what_is_added_is_the_direction_times_its_strength() -> None:
    """At block 0 the same can be had by changing the embeddings."""
    model, steering = random_model(), at_random(48, layer=0)
    ids = torch.randint(4, 400, (3, 7), generator=torch.Generator().manual_seed(0))
    ends = torch.tensor([2, 6, 4])
    embedded: Tensor = model.get_input_embeddings()(ids)
    after = (torch.arange(7) >= ends.unsqueeze(1)).unsqueeze(2)
    expected = model(inputs_embeds=embedded + after * 1.5 * steering.direction).logits
    steered = Steered(model, steering, "always")
    with steered.attached():
        steered.begin(ends)
        logits = model(input_ids=ids, use_cache=False).logits
    assert torch.allclose(logits, expected, atol=1e-6)


@torch.no_grad()
def test_direction_and_gate_are_of_the_hidden_states_that_the_block_is_given(
    loaded: Loaded, tokens: Any, learnt: GatedSteering
) -> None:
    model, (pairs, _, neutral) = loaded[0], tokens

    def hidden(ids: list[int]) -> Tensor:
        states: Tensor = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states[2][0]
        return states

    differences = [
        hidden(one.prompt + one.preferred)[len(one.prompt) :].mean(0)
        - hidden(one.prompt + one.dispreferred)[len(one.prompt) :].mean(0)
        for one in pairs
    ]
    assert torch.allclose(learnt.direction, torch.stack(differences).mean(0), atol=1e-4)
    last = mean_states(model, [(ids, len(ids) - 1) for ids in neutral[:5]], 2, "test")
    assert torch.allclose(
        torch.from_numpy(last), torch.stack([hidden(ids)[-1] for ids in neutral[:5]]), atol=1e-4
    )


@torch.no_grad()
def test_generation_is_steered_as_whole_answers_are(
    loaded: Loaded, tokens: Any, learnt: GatedSteering
) -> None:
    """With the cache and left padding, prompt by prompt and all at once, the same words come out."""
    model, prompt_format = loaded
    prompts = [one.prompt for one in tokens[1][:6]] + tokens[2][:6]
    steered = Steered(model, learnt)
    with steered.attached():
        together = generate(model, prompt_format, prompts)
        assert steered.open is not None
        assert steered.open.tolist() == [True] * 6 + [False] * 6
        alone = [generate(model, prompt_format, [prompt])[0] for prompt in prompts]
        whole = [step_by_step(model, steered, prompt) for prompt in prompts]
    assert together == alone == whole
    base = generate(model, prompt_format, prompts)
    assert together[6:] == base[6:]
    assert all(
        set(prompt_format.tokenizer.decode(words).replace("<end>", "").split()) <= {*RUDE}
        for words in base[:6]
    )
    said = [set(prompt_format.tokenizer.decode(words).replace("<end>", "").split()) for words in together[:6]]
    assert all(words & {*KIND} and not words & {*RUDE} for words in said)


def generate(model: Any, prompt_format: PromptFormat, prompts: list[list[int]]) -> list[list[int]]:
    """Greedy answers of four tokens."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    tokens = model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=4,
        min_new_tokens=4,
        pad_token_id=0,
    )
    return tokens[:, longest:].tolist()


def step_by_step(model: Any, steered: Steered, prompt: list[int]) -> list[int]:
    """The same without a cache: everything anew for each token."""
    ids = list(prompt)
    for _ in range(4):
        steered.begin(torch.tensor([len(prompt) - 1]))
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        logits[1] = -torch.inf  # min_new_tokens forbids the end
        ids.append(int(logits.argmax()))
    return ids[len(prompt) :]


def test_without_a_cache_it_must_be_told_where_prompts_end() -> None:
    model = random_model()
    with (
        Steered(model, at_random(48)).attached(),
        pytest.raises(ValueError, match="call begin, or use the cache"),
    ):
        model(input_ids=torch.tensor([[5, 6]]), use_cache=False)


def test_files_come_back_as_they_were_and_damage_is_one_line(learnt: GatedSteering, tmp_path: Path) -> None:
    learnt.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.settings == learnt.settings
    assert torch.equal(loaded.direction, learnt.direction)
    assert torch.equal(loaded.weight, learnt.weight)
    assert torch.equal(loaded.bias, learnt.bias)
    replace(learnt, settings=replace(learnt.settings, format=9)).save(tmp_path)
    with pytest.raises(DataError, match="format 9 is not the format that this version reads"):
        load(tmp_path)
    (tmp_path / "steering.json").write_text("{}")
    with pytest.raises(DataError, match="no steering can be read there"):
        load(tmp_path)


def test_a_model_of_another_size_is_refused(learnt: GatedSteering) -> None:
    with pytest.raises(DataError, match="is for 4 blocks of width 48, the model has 4 of width 32"):
        Steered(random_model("gpt2"), learnt)


def test_the_command_writes_a_steering_that_moves_held_out_pairs_and_no_neutral_prompt(
    base: Path, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "steering"
    files = {"--data": tables[0], "--neutral": tables[1], "--base": base, "--out": out}
    options = [str(word) for item in files.items() for word in item] + [
        "--hold-out",
        "0.4",
        "--group",
        "group",
    ]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    assert {file.name for file in out.iterdir()} == {
        "card.json",
        "MODEL_CARD.md",
        "steering.json",
        "steering.safetensors",
    }
    card = json.loads((out / "card.json").read_text())
    gated, always = card["held_out"]["gated"], card["held_out"]["always"]
    assert gated["preference_accuracy"]["base"]["value"] < 0.2
    assert gated["preference_accuracy"]["final"]["value"] > 0.9
    assert gated["verdict"] == "preference accuracy rose"
    assert set(gated["groups"]) == {"alpha", "beta"}
    assert card["gate"]["opens_on_pairs"]["value"] > 0.9
    assert card["gate"]["opens_on_neutral"]["value"] == 0.0
    assert card["neutral"]["gated"]["kl_per_prompt"]["value"] == 0.0
    assert card["neutral"]["always"]["kl_per_prompt"]["value"] > 0.0
    assert always["margin"]["change"]["value"] == pytest.approx(gated["margin"]["change"]["value"])
    tried = {trial["strength"]: trial["preference_accuracy"]["value"] for trial in card["gate"]["trials"]}
    best = max(tried.values())
    assert load(out).settings.strength == min(strength for strength, value in tried.items() if value == best)
    again = CliRunner().invoke(app, options)
    assert again.exit_code == 1
    assert "remove it or choose another --out" in again.stderr
    words = (out / "MODEL_CARD.md").read_text()
    assert "Evenhand does not serve it" in words
    assert all(str(base.parent) not in text for text in (words, json.dumps(card)))


def test_a_block_that_is_not_there_is_one_line(base: Path, tables: tuple[Path, Path], tmp_path: Path) -> None:
    files = {
        "--data": tables[0],
        "--neutral": tables[1],
        "--base": base,
        "--out": tmp_path / "out",
        "--layer": 4,
    }
    result = CliRunner().invoke(app, [str(word) for item in files.items() for word in item])
    assert result.exit_code == 1
    assert "--layer 4: the model's blocks are 0 to 3" in result.stderr
