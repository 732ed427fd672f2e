"""``image.json``: what the base's own image processor does, read off it and compared with it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from transformers import AutoImageProcessor
from transformers.image_processing_base import ImageProcessingMixin

from evenhand.models.bundle.encoders.image import ImageEncoder, Pixels
from evenhand.training.data.dataset import DataError
from evenhand.typing import Float32s

TOLERANCE = 1e-3
"""Of a normalised pixel: rounding differs by far less, a shift by one pixel by far more."""
SIDES = ((37, 53), (200, 90), (301, 301))
"""Widths and heights of the pictures on which both are compared."""


def image_json(base: str) -> bytes:
    """Describe the base's own image processor, its defaults among its settings.

    Raises:
        DataError: the base has none, or it does something that is not done here.
    """
    try:
        ImageProcessingMixin.get_image_processor_dict(base)
    except (OSError, ValueError) as error:
        raise DataError(
            f"base {base!r} has no preprocessor_config.json: give an image classifier's"
        ) from error
    try:
        processor: Any = AutoImageProcessor.from_pretrained(base, backend="pil", trust_remote_code=False)
    except (OSError, ValueError, ImportError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"base {base!r}: its image processor does not load ({reason})") from error
    content = _pixels(processor.to_dict()).model_dump_json(indent=1).encode()
    if reason := _difference(processor, ImageEncoder(content)):
        raise DataError(
            f"base {base!r}: its {type(processor).__name__.removesuffix('Pil')} does something that is not "
            f"done here: {reason}"
        )
    return content


def _pixels(settings: dict[str, Any]) -> Pixels:
    """The settings of a processor as our encoder takes them."""
    size, crop = settings.get("size"), settings.get("crop_size") if settings.get("do_center_crop") else None
    scales = bool(settings.get("do_resize", True))
    if not scales and crop is None:
        raise DataError("the base neither scales nor cuts images; only inputs of one size are supported")
    edge = size.get("shortest_edge") if scales and isinstance(size, dict) else None
    final = _side(crop or size)
    straight = None if edge or not scales else _side(size)
    if edge is not None and crop is None:
        # ConvNeXt's own rule: below 384 pixels, resize to size / crop_pct and cut out the centre.
        share = settings.get("crop_pct")
        edge, straight = (int(edge / share), None) if share and edge < 384 else (None, edge)
    shift, twice = float(bool(settings.get("rescale_offset"))), bool(settings.get("include_top"))
    normal = bool(settings.get("do_normalize", True))
    mean = _channels(settings.get("image_mean") if normal else 0.0, 0.0)
    std = _channels(settings.get("image_std") if normal else 1.0, 1.0)
    # EfficientNet's own rules: one is subtracted after scaling, and the deviation divides twice.
    last = _channels(settings.get("image_std"), 1.0) if twice else (1.0, 1.0, 1.0)
    rescale = settings.get("rescale_factor") or 1 / 255 if settings.get("do_rescale", True) else 1.0
    return Pixels(
        size=final,
        shortest_edge=edge,
        resize=straight if straight != final else None,
        scales=scales,
        rounds="down",
        resample=settings.get("resample", 2),
        rescale=rescale,
        mean=(mean[0] + shift, mean[1] + shift, mean[2] + shift),
        std=(std[0] * last[0], std[1] * last[1], std[2] * last[2]),
        background="white" if settings.get("do_convert_rgb") else "dropped",
    )


def _side(size: Any) -> int:  # noqa: ANN401 - whatever a configuration says
    """Height and width of the input, which must be the same."""
    if isinstance(size, int):
        return size
    named = {key: value for key, value in size.items() if value is not None}
    sides = {int(value) for key, value in named.items() if key in ("height", "width", "shortest_edge")}
    if len(sides) != 1 or set(named) - {"height", "width", "shortest_edge"}:
        raise DataError(f"the base reads images of {named}; only square ones of one size are supported")
    return sides.pop()


def _channels(values: Any, usual: float) -> tuple[float, float, float]:  # noqa: ANN401
    """One value per colour."""
    if values is None:
        return (usual,) * 3
    return (float(values),) * 3 if isinstance(values, int | float) else tuple(map(float, values))  # type: ignore[return-value]


def _difference(processor: Any, encoder: ImageEncoder) -> str:  # noqa: ANN401
    """What is different for some pictures; empty if nothing is."""
    rng = np.random.default_rng(0)
    for width, height in SIDES:
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        try:
            theirs: Float32s = np.asarray(processor(picture, return_tensors="np")["pixel_values"][0])
        except Exception as error:  # a processor may be any code of the library
            return f"it fails on a picture ({str(error).strip().splitlines()[0] or type(error).__name__})"
        file = io.BytesIO()
        picture.save(file, "PNG")
        ours = encoder.encode(file.getvalue()).arrays["pixel_values"]
        if theirs.shape != ours.shape:
            return (
                f"it makes {theirs.shape} of a picture of {width} x {height}, and {ours.shape} is made here"
            )
        if (off := float(np.abs(theirs - ours).max())) > TOLERANCE:
            return f"pixels of a picture of {width} x {height} differ by up to {off:.2g}"
    return ""
