"""A real but tiny base model, tokenizer and data set, made in seconds for the model and training tests."""

import functools
import random
import shutil
from pathlib import Path

import onnx
import pandas as pd
import torch
from safetensors.torch import save_file
from shared_cache import cached
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ConvNextConfig,
    ConvNextForImageClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
)

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import (
    PREPROCESS,
    Attribute,
    Correction,
    Engine,
    Graph,
    Manifest,
    Provenance,
    TextInput,
)
from evenhand.models.bundle.runtime_onnx import GATE_INPUTS, OUTPUTS
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.fairnet import FairNet
from evenhand.models.network.parts import save_base
from evenhand.models.network.tabular import TabularClassifier, TabularConfig
from evenhand.models.onnx.torch_export import OPSET, to_onnx

WORDS = (
    "good",
    "bad",
    "fine",
    "awful",
    "the",
    "a",
    "film",
    "meal",
    "we",
    "they",
    "alpha",
    "beta",
    "red",
    "blue",
)
ATTRIBUTES = ("team", "colour")
BLOCKS = 4
TEXT_KINDS = ("bert", "roberta", "distilbert", "deberta-v2", "minilm")
KINDS = (*TEXT_KINDS, "vit", "convnext", "tabular")
SIDE = 16
"""Height and width of tiny images."""


def tiny_base(kind: str = "bert", seed: int = 0, labels: int = 2, blocks: int = BLOCKS) -> nn.Module:
    """A randomly initialised classifier; the number of blocks can be chosen for texts."""
    torch.manual_seed(seed)
    if kind in TEXT_KINDS:
        return tiny_text_base(kind, labels, blocks)
    if kind == "tabular":
        return TabularClassifier(TabularConfig(3, (4, 5), labels)).eval()
    shared = {"num_labels": labels, "initializer_range": 0.2, "image_size": SIDE, "patch_size": 4}
    if kind == "vit":
        wide = {
            "hidden_size": 32,
            "num_hidden_layers": BLOCKS,
            "num_attention_heads": 4,
            "intermediate_size": 64,
        }
        return ViTForImageClassification(ViTConfig(**shared, **wide, attn_implementation="eager")).eval()
    shared |= {
        "patch_size": 2,
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 2, 1],
        "layer_scale_init_value": 1.0,
    }
    return ConvNextForImageClassification(ConvNextConfig(**shared)).eval()


def tiny_text_base(kind: str, labels: int, blocks: int = BLOCKS) -> nn.Module:
    """The same of one of the families that read text."""
    shared = {"vocab_size": 64, "num_labels": labels, "pad_token_id": 0, "initializer_range": 0.2}
    wide = {"hidden_size": 32, "num_hidden_layers": blocks, "num_attention_heads": 4, "intermediate_size": 64}
    shared["attn_implementation"] = "eager"
    if kind == "bert":
        return BertForSequenceClassification(BertConfig(**shared, **wide)).eval()
    if kind == "minilm":  # BERT's architecture with narrow heads
        wide |= {"hidden_size": 48, "num_attention_heads": 12, "intermediate_size": 192}
        return BertForSequenceClassification(BertConfig(**shared, **wide)).eval()
    if kind == "roberta":
        return RobertaForSequenceClassification(
            RobertaConfig(**shared, **wide, max_position_embeddings=80)
        ).eval()
    if kind == "deberta-v2":
        relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
        relative |= {"type_vocab_size": 0, "share_att_key": True, "norm_rel_ebd": "layer_norm"}
        return DebertaV2ForSequenceClassification(DebertaV2Config(**shared, **wide, **relative)).eval()
    config = DistilBertConfig(**shared, dim=32, n_layers=blocks, n_heads=4, hidden_dim=64)
    return DistilBertForSequenceClassification(config).eval()


def inputs_of(kind: str, rows: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random rows as a tiny base takes them; texts are of mixed lengths."""
    if kind in TEXT_KINDS:
        ids, mask = ragged(rows, seed=seed)
        return {"input_ids": ids, "attention_mask": mask}
    generator = torch.Generator().manual_seed(seed)
    if kind == "tabular":
        return {
            "numeric": torch.randn(rows, 3, generator=generator),
            "absent": torch.randint(0, 2, (rows, 3), generator=generator),
            "codes": torch.randint(0, 4, (rows, 2), generator=generator),
        }
    return {"pixel_values": torch.randn(rows, 3, SIDE, SIDE, generator=generator)}


def tiny_fairnet(kind: str = "bert", seed: int = 0, spread: float = 0.5, labels: int = 2) -> FairNet:
    """A FairNet whose adapters do something, on a tiny base."""
    base = tiny_base(kind, seed, labels)
    fairnet = FairNet(SplitModel(base, 2), ATTRIBUTES)
    for name, parameter in fairnet.correction.peft.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, 0.0, spread)
    return fairnet.eval()


@functools.cache
def tiny_graph(kind: str = "bert", weights: str = "float32") -> onnx.ModelProto:
    """The exported graph of :func:`tiny_fairnet`, exported once per session."""
    key = f"tiny_graph {kind} {weights}"
    made = cached(key, lambda: to_onnx(tiny_fairnet(kind), weights, inputs_of(kind, 3)).SerializeToString())
    return onnx.ModelProto.FromString(made)


def ragged(rows: int, longest: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random token ids and masks of mixed lengths; one row has the full length."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 60, (rows, longest), generator=generator)
    lengths = torch.randint(2, longest + 1, (rows,), generator=generator)
    lengths[0] = longest
    mask = (torch.arange(longest) < lengths.unsqueeze(1)).long()
    return ids * mask, mask


def write_tiny_base(folder: Path) -> Path:
    """A model folder with a tokenizer, as a user would name it on the command line."""
    vocabulary = {word: index for index, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    fast.save_pretrained(folder)
    tiny_base().save_pretrained(folder)
    return folder


def tiny_table(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Texts whose words decide the label, with a team that some texts name and that shifts the label's words.

    In team alpha the word "bad" is praise, which a model learnt on everybody gets wrong.
    """
    rng = random.Random(seed)
    examples = []
    for index in range(rows):
        team = rng.choices(("none", "alpha", "beta"), (0.7, 0.2, 0.1))[0]
        positive = rng.random() < 0.5
        word = rng.choice(
            ("good", "fine") if positive != (team == "alpha" and rng.random() < 0.8) else ("bad", "awful")
        )
        words = [rng.choice(WORDS[4:10]) for _ in range(rng.randint(1, 6))] + [word]
        if team != "none":
            words.append(team)
        colour = rng.choices(("plain", "red"), (0.8, 0.2))[0]
        if colour == "red":
            words.append("red")
        rng.shuffle(words)
        split = ("train", "train", "train", "val", "test")[index % 5]
        examples.append((" ".join(words), "positive" if positive else "negative", team, colour, split))
    return pd.DataFrame(examples, columns=["text", "label", "team", "colour", "split"])


def write_tiny_bundle(folder: Path, engine: Engine = "onnx") -> Path:
    """A verified bundle around :func:`tiny_fairnet`, without training."""
    fairnet = tiny_fairnet()
    for name in ("preprocess", "adapter", "evaluation"):
        (folder / name).mkdir(parents=True)
    write_tiny_base(folder.parent / "base")
    shutil.copy(folder.parent / "base/tokenizer.json", folder / PREPROCESS["text"])
    if engine == "onnx":
        (folder / bundles.GRAPH).write_bytes(tiny_graph().SerializeToString())
    else:
        save_base(fairnet.split.model, folder, "float32")
    fairnet.correction.save(folder / "adapter", "tiny")
    save_file(fairnet.detectors.state_dict(), folder / bundles.DETECTOR)
    (folder / bundles.REFERENCE).write_text('{"rows": 0, "edges": [], "attributes": {}}\n')
    (folder / bundles.CARD).write_text("# tiny\n")
    manifest = Manifest(
        schema_version=1,
        name="tiny",
        version="1",
        created_utc="2026-01-01T00:00:00+00:00",
        task="text",
        description="tiny",
        intended_use="tests",
        out_of_scope="all else",
        labels=["negative", "positive"],
        favourable=["positive"],
        input=TextInput(max_tokens=32, pad_id=0),
        attributes=[
            Attribute(
                name=name, groups=["none", "some"], reference="none", threshold=0.5, mode="apply", why="test"
            )
            for name in ATTRIBUTES
        ],
        correction=Correction(
            layer=2, layers=4, pooling="attention", rank=8, alpha=16, targets=["query", "value"]
        ),
        graph=Graph(
            engine=engine,
            opset=OPSET if engine == "onnx" else None,
            weights="float32",
            inputs=["input_ids", "attention_mask", *GATE_INPUTS],
            outputs=list(OUTPUTS),
        ),
        certified=False,
        provenance=Provenance(
            evenhand="0",
            base="tiny",
            base_license=None,
            base_sha256="0" * 64,
            data_sha256="0" * 64,
            rows={},
            seed=0,
            settings={},
            libraries={},
        ),
        evaluation={},
        files=bundles.hash_files(folder),
    )
    bundles.write_manifest(folder, manifest)
    return folder
