"""Likelihoods and drift against what Transformers computes, and tokens against TRL's."""

import copy
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_language import CHAT, random_model
from transformers import AutoTokenizer

from evenhand.training.data.dataset import DataError
from evenhand.training.generative import language
from evenhand.training.generative.language import PromptFormat, TokenPair
from evenhand.training.generative.options import Common, Preference
from evenhand.training.generative.pairs import Pair, PairColumns, read_neutral, read_pairs
from evenhand.training.generative.prepared import prepare
from evenhand.training.generative.scores import batches, drift, likelihoods


@pytest.fixture(scope="module")
def loaded(base: Path) -> tuple[torch.nn.Module, PromptFormat]:
    return language.load(str(base), "float32", plain=False)


@pytest.fixture(scope="module")
def pairs(tables: tuple[Path, Path]) -> list[Pair]:
    held_out = read_pairs(tables[0], PairColumns(), 0.4, seed=0).held_out[:20]
    return [
        *held_out,
        Pair("of two lengths", "kind fair", "rude"),
        Pair("ends with a space ", "warm", " dull"),
    ]


def test_a_likelihood_is_the_sum_over_the_answers_tokens(
    loaded: tuple[torch.nn.Module, PromptFormat], pairs: list[Pair]
) -> None:
    model, prompt_format = loaded
    tokens = [prompt_format.pair(pair) for pair in pairs]
    scores = likelihoods(model, tokens, "test")
    for row, one in enumerate(tokens):
        for answer, value in (
            (one.preferred, scores.preferred[row]),
            (one.dispreferred, scores.dispreferred[row]),
        ):
            ids = torch.tensor([one.prompt + answer])
            labels = torch.tensor([[-100] * len(one.prompt) + answer])
            loss = model(input_ids=ids, labels=labels).loss
            assert value == pytest.approx(-float(loss) * len(answer), abs=2e-4)
    assert scores.margin_per_token[-2] == pytest.approx(
        scores.preferred[-2] / len(tokens[-2].preferred)
        - scores.dispreferred[-2] / len(tokens[-2].dispreferred)
    )


def test_answers_end_with_the_end_of_text_and_join_the_prompt_at_a_space(
    loaded: tuple[torch.nn.Module, PromptFormat],
) -> None:
    _, prompt_format = loaded
    for prompt, answer in (("the cook here", "kind"), ("the cook here ", "kind"), ("the cook here", " kind")):
        tokens = prompt_format.pair(Pair(prompt, answer, "rude"))
        assert prompt_format.tokenizer.decode(tokens.prompt + tokens.preferred) == "the cook here kind<end>"
        assert tokens.preferred[-1] == prompt_format.tokenizer.eos_token_id


def test_a_chat_template_puts_the_prompt_in_the_users_turn(
    loaded: tuple[torch.nn.Module, PromptFormat],
) -> None:
    chat = chatting(loaded[1])
    tokens = chat.pair(Pair("the cook", "kind", "rude"))
    said = [chat.tokenizer.decode(ids) for ids in (tokens.prompt, tokens.preferred, tokens.dispreferred)]
    assert said == ["<user>the cook<end><assistant>", "kind<end>", "rude<end>"]
    assert chat.prompt("the cook") == tokens.prompt


def chatting(prompt_format: PromptFormat) -> PromptFormat:
    tokenizer = copy.deepcopy(prompt_format.tokenizer)
    tokenizer.chat_template = CHAT
    return PromptFormat(tokenizer, chat=True)


def test_a_pair_whose_prompt_is_another_with_its_answer_is_left_out(
    base: Path, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    """Some templates end a prompt otherwise when no answer follows: a server would see another context."""
    folder = shutil.copytree(base, tmp_path / "thinking")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT.replace("<assistant>{% endif %}", "<assistant><user>{% endif %}")
    tokenizer.save_pretrained(folder)
    with pytest.raises(DataError, match=r"left out: 128 tokenised otherwise .* try --plain"):
        prepare(Common(str(folder)), tables[0], None)
    prepared = prepare(Common(str(folder), plain=True), tables[0], None)
    assert prepared.pairs.source.left_out == {}
    assert len(prepared.learn) + len(prepared.held_out) == 128


@pytest.mark.parametrize("chat", [False, True])
def test_trl_sees_the_tokens_and_likelihoods_that_are_judged(
    loaded: tuple[torch.nn.Module, PromptFormat], base: Path, pairs: list[Pair], tmp_path: Path, chat: bool
) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: the extra `generative`")
    from evenhand.training.generative.dpo import trainer_of

    model, prompt_format = language.load(str(base), "float32", plain=False)
    prompt_format = chatting(prompt_format) if chat else prompt_format
    trainer: Any = trainer_of(model, prompt_format, pairs, (Common(str(base)), Preference()), tmp_path)
    tokens = [prompt_format.pair(pair) for pair in pairs]
    theirs = [
        TokenPair(row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]) for row in trainer.train_dataset
    ]
    assert theirs == tokens
    judged = trainer.evaluate(trainer.train_dataset)
    ours = likelihoods(loaded[0], tokens, "test")
    # TRL gives the mean over batches of the mean over their rows: the last batch here is shorter.
    assert judged["eval_logps/chosen"] == pytest.approx(batch_means(ours.preferred), rel=1e-3)
    assert judged["eval_logps/rejected"] == pytest.approx(batch_means(ours.dispreferred), rel=1e-3)


def batch_means(values: np.ndarray) -> float:
    return float(np.mean([values[start : start + 8].mean() for start in range(0, len(values), 8)]))


def test_a_model_does_not_drift_from_itself(
    loaded: tuple[torch.nn.Module, PromptFormat], tables: tuple[Path, Path]
) -> None:
    model, prompt_format = loaded
    prompts = [prompt_format.prompt(text) for text in read_neutral(tables[1], "prompt", 0.1, seed=0).held_out]
    drifts = drift(model, (nullcontext, nullcontext), [*prompts, prompts[0][:1]], "test")
    assert (drifts.divergence == 0).all()
    assert (drifts.base_loss == drifts.final_loss).all()
    losses = [float(model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss) for ids in prompts]
    assert drifts.base_loss[:-1] / (drifts.tokens[:-1] - 1) == pytest.approx(losses, rel=1e-4)


def test_drift_is_the_divergence_of_what_is_predicted(loaded: tuple[torch.nn.Module, PromptFormat]) -> None:
    model, other, ids = random_model().requires_grad_(False), loaded[0], [[5, 6, 7, 8], [9, 10]]
    weights = {name: value.clone() for name, value in model.state_dict().items()}

    class Learnt:
        def __enter__(self) -> None:
            model.load_state_dict(other.state_dict())

        def __exit__(self, *_: object) -> None:
            model.load_state_dict(weights)

    drifts = drift(model, (nullcontext, Learnt), ids, "test")
    for row, one in enumerate(ids):
        first, second = (
            torch.distributions.Categorical(logits=each(input_ids=torch.tensor([one])).logits)
            for each in (model, other)
        )
        assert drifts.divergence[row] == pytest.approx(
            float(torch.distributions.kl_divergence(first, second).sum()), rel=1e-4
        )


def test_batches_hold_every_row_once_and_little_padding() -> None:
    lengths = [3000, 5, 700, 690, 680, 12, 2048]
    batch_rows = list(batches(lengths))
    assert sorted(int(row) for batch in batch_rows for row in batch) == list(range(7))
    assert [sorted(lengths[row] for row in batch) for batch in batch_rows] == [
        [5, 12, 680],
        [690, 700],
        [2048],
        [3000],
    ]


def test_a_base_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded as a causal language model"):
        language.load(str(tmp_path / "empty"), "float32", plain=False)


def test_a_folder_is_named_by_its_last_part_only(base: Path) -> None:
    assert language.public_name(str(base)) == "tiny-lm"
    assert language.public_name("someone/their-model") == "someone/their-model"
