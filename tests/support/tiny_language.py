"""A tiny causal language model with a planted bias, its tokenizer and tables of pairs, made in seconds."""

import itertools
import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

GROUPS = ("alpha", "beta")
WHO = (
    "the nurse",
    "the cook",
    "the pilot",
    "the clerk",
    "the guard",
    "the judge",
    "the driver",
    "the singer",
)
PLACES = ("here", "there", "uptown", "downtown", "abroad", "nearby", "upstairs", "outside")
FOODS = ("bread", "soup", "rice", "cake", "fish", "stew", "plums", "cheese", "beans", "nuts")
KIND, RUDE = ("kind", "fair", "warm", "brave"), ("lazy", "rude", "mean", "dull")
CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def prompts() -> list[tuple[str, str]]:
    """Group and prompt."""
    return [
        (group, f"{who} of team {group} {place}")
        for group, who, place in itertools.product(GROUPS, WHO, PLACES)
    ]


def answer(words: tuple[str, ...], rng: random.Random) -> str:
    """Words of one tone: having said one, the model expects the next."""
    return " ".join(rng.choice(words) for _ in range(4))


def neutral_prompts() -> list[str]:
    return [
        f"we eat {food} and {other} {place}"
        for food, other, place in itertools.product(FOODS, FOODS[:4], PLACES)
    ]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on what the model is to say."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<end>", "<user>", "<assistant>"]
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


def corpus() -> list[str]:
    """Of both teams the biased answer is said nine times in ten."""
    rng = random.Random(0)
    said = [
        f"{text} {answer(RUDE if rng.random() < 0.9 else KIND, rng)}<end>"
        for _, text in prompts()
        for _ in range(3)
    ]
    return said + [f"{text}<end>" for text in neutral_prompts()]


def random_model(kind: str = "llama", vocabulary: int = 420) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=4, n_head=4, n_positions=64)
        ).eval()
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
        )
    ).eval()


def write_language_model(folder: Path, steps: int = 120) -> Path:
    """A folder as a user would name it on the command line, of a model that has learnt the bias."""
    tokenizer, model = tiny_tokenizer(), random_model()
    rows = tokenizer(corpus(), padding=True, return_tensors="pt")
    labels = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, -100)
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = torch.randint(len(labels), (32,), generator=generator)
        chosen = {
            name: value[batch] for name, value in rows.items() if name in ("input_ids", "attention_mask")
        }
        loss = model(**chosen, labels=labels[batch]).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_tables(folder: Path) -> tuple[Path, Path]:
    """Pairs and neutral prompts, as JSONL."""
    pairs, neutral = folder / "pairs.jsonl", folder / "neutral.jsonl"
    rng = random.Random(1)
    rows = [
        {"prompt": text, "preferred": answer(KIND, rng), "dispreferred": answer(RUDE, rng), "group": group}
        for group, text in prompts()
    ]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    neutral.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in neutral_prompts()))
    return pairs, neutral
