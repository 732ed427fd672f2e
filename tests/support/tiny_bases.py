"""A tiny random classifier of every family that is tested, on disk as a user would have it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tiny_model import WORDS
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from torch import nn
from transformers import AutoConfig, PreTrainedTokenizerFast

from evenhand.models.network.structure import auto_class

SIDE = 32
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
BERT = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
POSITIONS = {"max_position_embeddings": 40}
DECODER = {**BERT, **POSITIONS, "num_key_value_heads": 2}
PATCHES = {**BERT, "image_size": SIDE, "patch_size": 8}


@dataclass(frozen=True)
class TinyBase:
    """One family."""

    title: str
    model_type: str
    settings: dict[str, Any]
    kind: str = "text"
    decoder: bool = False
    """Whether its tokenizer adds no tokens, and its head reads the last one."""
    last: bool = False
    """Whether its tokenizer puts the token of the whole row last, of a kind of its own."""


BASES = {
    base.title: base
    for base in (
        TinyBase("BERT", "bert", {**BERT, **POSITIONS}),
        TinyBase("RoBERTa", "roberta", {**BERT, **POSITIONS}),
        TinyBase("XLM-R", "xlm-roberta", {**BERT, **POSITIONS}),
        TinyBase("CamemBERT", "camembert", {**BERT, **POSITIONS}),
        TinyBase(
            "DistilBERT",
            "distilbert",
            {"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64, **POSITIONS},
        ),
        TinyBase(
            "DeBERTa-v2",
            "deberta-v2",
            {
                **BERT,
                **POSITIONS,
                "relative_attention": True,
                "pos_att_type": ["p2c", "c2p"],
                "position_buckets": 8,
                "type_vocab_size": 0,
                "share_att_key": True,
                "norm_rel_ebd": "layer_norm",
            },
        ),
        TinyBase("ModernBERT", "modernbert", {**BERT, **POSITIONS, "cls_token_id": 2, "sep_token_id": 3}),
        TinyBase("ELECTRA", "electra", {**BERT, **POSITIONS, "embedding_size": 16}),
        TinyBase("ALBERT", "albert", {**BERT, **POSITIONS, "embedding_size": 16}),
        TinyBase("MPNet", "mpnet", {**BERT, **POSITIONS}),
        TinyBase("XLNet", "xlnet", {"d_model": 32, "n_layer": 4, "n_head": 4, "d_inner": 64}, last=True),
        TinyBase("GPT-2", "gpt2", {"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 40}, decoder=True),
        TinyBase("Llama", "llama", DECODER, decoder=True),
        TinyBase("Qwen2", "qwen2", DECODER, decoder=True),
        TinyBase("Gemma", "gemma", {**DECODER, "head_dim": 8}, decoder=True),
        TinyBase("Mistral", "mistral", DECODER, decoder=True),
        TinyBase("ViT", "vit", PATCHES, "image"),
        TinyBase("DeiT", "deit", PATCHES, "image"),
        TinyBase("DINOv2", "dinov2", PATCHES, "image"),
        TinyBase(
            "Swin",
            "swin",
            {
                "image_size": SIDE,
                "patch_size": 4,
                "embed_dim": 8,
                "depths": [1, 2, 2],
                "num_heads": [1, 2, 4],
                "window_size": 2,
            },
            "image",
        ),
        TinyBase(
            "ConvNeXt",
            "convnext",
            {
                "image_size": SIDE,
                "patch_size": 2,
                "hidden_sizes": [8, 16, 24, 32],
                "depths": [1, 1, 2, 1],
                "layer_scale_init_value": 1.0,
            },
            "image",
        ),
        TinyBase(
            "ResNet",
            "resnet",
            {
                "embedding_size": 8,
                "hidden_sizes": [8, 16, 24, 32],
                "depths": [1, 1, 2, 1],
                "layer_type": "basic",
            },
            "image",
        ),
        TinyBase(
            "EfficientNet",
            "efficientnet",
            {"image_size": SIDE, "width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320},
            "image",
        ),
    )
}


def tiny_config(title: str, pad: bool = True, **more: Any) -> Any:
    """The configuration of a family's tiny classifier of two labels."""
    base = BASES[title]
    settings: dict[str, Any] = {"num_labels": 2, **base.settings}
    if base.kind == "text":
        settings |= {
            "vocab_size": 64,
            "pad_token_id": 0 if pad else None,
            "bos_token_id": 2,
            "eos_token_id": 3,
        }
    config = AutoConfig.for_model(base.model_type, **{**settings, **more})
    config.architectures, config._attn_implementation = [], "eager"
    return config


def tiny_classifier(title: str, seed: int = 0, **more: Any) -> nn.Module:
    """A random classifier whose answers differ between rows."""
    torch.manual_seed(seed)
    model = auto_class(BASES[title].kind).from_config(tiny_config(title, **more)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for module in model.modules() if title == "EfficientNet" else ():
            # Its own initial weights are so small that rows are alike after a few blocks.
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear").mul_(1.5)
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1.0)
    return model.eval()


def tiny_inputs(title: str, rows: int, seed: int = 0, longest: int = 12) -> dict[str, torch.Tensor]:
    """Random rows; texts are of mixed lengths and padded with token 0 at their ends."""
    generator = torch.Generator().manual_seed(seed)
    if BASES[title].kind == "image":
        return {"pixel_values": torch.randn(rows, 3, SIDE, SIDE, generator=generator)}
    ids = torch.randint(4, 18, (rows, longest), generator=generator)
    lengths = torch.randint(2, longest + 1, (rows,), generator=generator)
    lengths[0] = longest
    mask = (torch.arange(longest) < lengths.unsqueeze(1)).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def tiny_tokenizer(title: str, **more: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words with the special tokens where the family has them."""
    base = BASES[title]
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if not base.decoder:
        form = "$A [SEP] [CLS]:2" if base.last else "[CLS] $A [SEP]"
        tokenizer.post_processor = processors.TemplateProcessing(
            single=form, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    if base.last:
        names["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{**names, **more})


def write_base(folder: Path, title: str, pad: bool = True) -> Path:
    """A model folder with a tokenizer or a picture processor; ``pad`` is whether it has a padding token."""
    base = BASES[title]
    tiny_classifier(title, **({} if pad or base.kind == "image" else {"pad": False})).save_pretrained(folder)
    if base.kind == "text":
        tiny_tokenizer(title, **({} if pad else {"pad_token": None})).save_pretrained(folder)
        return folder
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder
