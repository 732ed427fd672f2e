r"""Preference tuning (DPO, arXiv 2305.18290) of a LoRA adapter, by TRL on PEFT.

.. math:: -\log \sigma\!\left(\beta \left[\log\frac{p(y^+ \mid x)}{p_0(y^+ \mid x)}
          - \log\frac{p(y^- \mid x)}{p_0(y^- \mid x)}\right]\right)

``p0`` is the base: the same model with its adapter off. TRL comes with the optional extra ``generative``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import torch
from peft import LoraConfig
from torch import nn
from transformers import PrinterCallback, TrainerCallback

from evenhand.console import say, track
from evenhand.training.data.dataset import DataError
from evenhand.training.generative.language import PromptFormat
from evenhand.training.generative.options import Common, Preference
from evenhand.training.generative.pairs import Pair

if TYPE_CHECKING:
    from trl import DPOTrainer


def tune(
    model: nn.Module,
    prompt_format: PromptFormat,
    pairs: Sequence[Pair],
    config: tuple[Common, Preference],
    work: Path,
) -> nn.Module:
    """Learn an adapter, from the last whole checkpoint in ``work`` if there is one.

    Args:
        model: The frozen base; it gets the adapter's layers, and its own weights do not change.
        prompt_format: How pairs become tokens.
        pairs: What to learn from.
        config: Settings.
        work: Folder of the Trainer's checkpoints, for this base, these pairs and these settings alone.

    Returns:
        The base with its adapter.
    """
    trainer = trainer_of(model, prompt_format, pairs, config, work)
    last = last_checkpoint(work)
    if last is not None:
        say(f"resuming after step {last.name.rpartition('-')[2]} from {work}")
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    tuned: nn.Module = trainer.accelerator.unwrap_model(trainer.model)
    if not all(torch.isfinite(value).all() for name, value in tuned.named_parameters() if "lora_" in name):
        raise DataError(f"learning diverged at --learning-rate {config[1].learning_rate:g}; lower it")
    return tuned


def trainer_of(
    model: nn.Module,
    prompt_format: PromptFormat,
    pairs: Sequence[Pair],
    config: tuple[Common, Preference],
    work: Path,
) -> DPOTrainer:
    """TRL's trainer with our settings; a test checks that it sees the tokens that we evaluate."""
    DPOConfig, DPOTrainer = _trl()  # noqa: N806 - they are classes
    common, own = config
    datasets.disable_progress_bars()
    arguments = DPOConfig(
        output_dir=str(work),
        beta=own.beta,
        max_length=common.max_tokens,
        learning_rate=own.learning_rate,
        num_train_epochs=own.epochs,
        per_device_train_batch_size=own.batch_rows,
        warmup_steps=0.1,
        bf16=common.precision == "bfloat16",
        use_cpu=not torch.accelerator.is_available(),
        gradient_checkpointing=torch.accelerator.is_available(),
        dataloader_pin_memory=torch.accelerator.is_available(),
        save_strategy="steps",
        save_steps=own.checkpoint_steps,
        save_total_limit=2,
        logging_steps=own.checkpoint_steps,
        report_to="none",
        disable_tqdm=True,
        seed=common.seed,
    )
    adapter = LoraConfig(r=own.rank, lora_alpha=own.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = DPOTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_list([prompt_format.record(pair) for pair in pairs]),
        processing_class=prompt_format.tokenizer,
        peft_config=adapter,
        callbacks=[_TrainerProgress()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def last_checkpoint(work: Path) -> Path | None:
    """The newest complete checkpoint: the Trainer writes its state file last."""
    newest_first = sorted(
        work.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True
    )
    return next((folder for folder in newest_first if _whole(folder)), None)


def _whole(folder: Path) -> bool:
    try:
        json.loads((folder / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True


def check() -> None:
    """Check that TRL can run here, before a model is loaded.

    Raises:
        DataError: it is not installed, or several GPUs are visible, which one process cannot share.
    """
    _trl()
    if torch.accelerator.device_count() > 1:
        raise DataError("several GPUs are visible; make one visible (CUDA_VISIBLE_DEVICES=0) and run again")


def _trl() -> tuple[Any, Any]:
    try:
        from trl import DPOConfig, DPOTrainer
    except ImportError as error:
        raise DataError(f"preference tuning needs TRL ({error}): install the extra `generative`") from error
    return DPOConfig, DPOTrainer


class _TrainerProgress(TrainerCallback):  # type: ignore[misc] # transformers is not typed
    """The Trainer's steps under our progress bar, and its figures as lines."""

    def on_train_begin(self, _: Any, state: Any, control: Any, **__: Any) -> None:  # noqa: ANN401
        """Start the bar where learning starts."""
        steps = int(state.max_steps)
        self._bar: Iterator[int] = track(range(steps), steps, "preference tuning")
        for _step in range(int(state.global_step) + 1):
            next(self._bar, None)

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:  # noqa: ANN401
        """Move it."""
        next(self._bar, None)

    def on_log(self, _: Any, state: Any, control: Any, logs: dict[str, Any], **__: Any) -> None:  # noqa: ANN401
        """A line with the loss and TRL's share of pairs whose margin is above the base's."""
        if "loss" in logs:
            say(
                f"step {state.global_step}/{state.max_steps}, loss {float(logs['loss']):.4f}, "
                f"training pairs moved the right way {100 * float(logs['rewards/accuracies']):.0f} %"
            )

    def on_train_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Take the bar away."""
        for _step in self._bar:
            pass
