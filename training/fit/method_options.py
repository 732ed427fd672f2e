"""``--method``: the corrector at inference, or the method that trains the base; one option for both."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save_file

from evenhand.console import say
from evenhand.models.bundle.manifest import Name
from evenhand.models.network.parts import RUNS
from evenhand.models.onnx.torch_export import round_to_float16
from evenhand.training.correctors import correctors, named
from evenhand.training.correctors.interface import CorrectorMethod
from evenhand.training.correctors.none import NONE
from evenhand.training.data.dataset import DataError, Rows, Schema
from evenhand.training.learning import base_model
from evenhand.training.learning.config import FitConfig, fingerprint

if TYPE_CHECKING:
    from evenhand.training.baselines.retrain import Retraining


def retrainings() -> dict[str, Retraining]:
    """Training-time methods, which make a base, by name; imported here as their libraries load slowly."""
    from evenhand.training.baselines.index import METHODS
    from evenhand.training.baselines.retrain import Retraining

    return {method.name: method for method in METHODS if isinstance(method, Retraining)}


def with_method(config: FitConfig, name: str) -> FitConfig:
    """The settings with another method.

    Raises:
        DataError: no such method makes a bundle.
    """
    if name in correctors():
        return replace(config, correction=replace(config.correction, method=name))
    if name in retrainings():
        return replace(config, retraining=name, correction=replace(config.correction, method=NONE.name))
    raise DataError(
        f"--method {name}: no such method makes a bundle; correct at inference with "
        f"{', '.join(correctors())}, or train the base by {', '.join(retrainings())}"
    )


def check(config: FitConfig) -> None:
    """Refuse settings that contradict each other, before any work.

    Raises:
        DataError: the method does not fit the other settings, or a name does not fit a manifest.
    """
    _check_names(config)
    method = config.correction.method
    if config.box is not None:
        _check_box(config)
    if config.retraining is not None and config.base_stage.keep:
        raise DataError(
            f"--method {config.retraining} trains the base; leave out --keep-base, or correct at inference"
        )
    if config.engine == "torch" and method not in RUNS:
        raise DataError(
            f"the torch engine runs {' and '.join(RUNS)} only, not {method}; fit without --engine torch"
        )
    if config.correction.gate == "always":
        _check_always(config, named(method))


def _check_box(config: FitConfig) -> None:
    """Refuse what needs the inside of a model that comes as a file."""
    if config.retraining is not None:
        raise DataError(
            f"--method {config.retraining} trains a base, and --model is a trained one: correct at inference"
        )
    if named(config.correction.method).layers:
        others = ", ".join(name for name, method in correctors().items() if not method.layers)
        raise DataError(
            f"--method {config.correction.method} needs the layers of a base, which a model file does not "
            f"have; take one of {others}"
        )


def _check_names(config: FitConfig) -> None:
    """Refuse names that the manifest would not accept, before any work."""
    for option, value in (("name", config.name), ("version", config.version)):
        try:
            TypeAdapter(Name).validate_python(value)
        except ValidationError:
            raise DataError(
                f"--{option} {value!r} cannot stand in a manifest: at most 64 letters, digits, spaces and "
                ". _ + -, the first a letter or digit"
            ) from None


def _check_always(config: FitConfig, method: CorrectorMethod) -> None:
    """Refuse to flag every row for a corrector that could then only leave the base as it is."""
    if method is NONE:
        method_name = config.retraining or method.name
        raise DataError(
            f"--gate always with --method {method_name}: nothing is corrected at inference, so there is no "
            "gate to open, and every row would be counted as flagged\nleave out --gate always"
        )
    if method.compares:
        others = [name for name, each in correctors().items() if each.chosen and not each.compares]
        raise DataError(
            f"--gate always with --method {method.name} can learn nothing: it compares flagged rows with the "
            "others, and there are no others\n"
            f"leave out --gate always, or correct every row with {', '.join(others)}"
        )


def retrained(
    config: FitConfig, prepared: base_model.Base, rows: Rows, schema: Schema, work: Path
) -> base_model.Base:
    """The base that the training-time method makes from the same encoder; without a method the base as it is.

    Args:
        config: All settings.
        prepared: The base after plain fine-tuning: some methods start from it, and all are compared with it.
        rows: The data.
        schema: The meaning of its values.
        work: Folder of the result; a second fit of this base and data reuses it.

    Raises:
        DataError: the method is not defined for this data.
    """
    if config.retraining is None:
        return prepared
    from evenhand.training.baselines.base import Context

    method = retrainings()[config.retraining]
    say(f"training the base by the method {method.name} ({method.source})")
    context = Context(config, rows, schema, prepared, work / method.name)
    stage = (asdict(config.base_stage), context.target.model_dump(), config.seed)
    key = fingerprint(method.key, base_model.weights_hash(prepared.model), *stage)
    file = work / f"{method.name}-{key[:12]}.safetensors"
    if file.exists():
        model = base_model.load(config, schema, rows).model
        model.load_state_dict(load_file(file))
    else:
        model = method.retrained(context)
        part = file.with_suffix(".part")
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, part)
        part.replace(file)
    if config.weights == "float16":
        round_to_float16(model)
    return replace(prepared, model=model.requires_grad_(False).eval())
