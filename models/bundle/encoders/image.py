"""Images to pixels with Pillow and numpy, as the base's own preprocessing file says.

Training and serving use this same code.
"""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from evenhand.models.bundle.inputs import Encoded, InputError, parse_description

MAX_PIXELS = 50_000_000
"""Larger images are refused before they are unpacked: a small file may unpack to gigabytes."""
MAX_SCANS = 64
"""A JPEG with more scans is refused: each takes a pass over the image, and encoders write a dozen."""
SCAN = b"\xff\xda"
"""The marker at the start of a scan; JPEG escapes these bytes inside a scan."""
FORMATS = ("JPEG", "PNG")
RESAMPLE = {0: Image.Resampling.NEAREST, 1: Image.Resampling.LANCZOS, 2: Image.Resampling.BILINEAR}
RESAMPLE |= {3: Image.Resampling.BICUBIC, 4: Image.Resampling.BOX, 5: Image.Resampling.HAMMING}


class Pixels(BaseModel):
    """``image.json``: how an image becomes the model's input."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int = Field(ge=8, le=4096)
    """Height and width of the input."""
    shortest_edge: int | None = Field(default=None, ge=8, le=8192)
    """Resize the shorter side to this length, then crop the centre."""
    resize: int | None = Field(default=None, ge=8, le=8192)
    """Without ``shortest_edge``: resize both sides to this length, then crop; ``None`` is ``size`` itself."""
    scales: bool = True
    """Whether images are resized at all, or only cropped."""
    rounds: Literal["nearest", "down"] = "nearest"
    """How the longer side becomes a whole number; bundles of earlier versions took the nearest."""
    background: Literal["dropped", "white"] = "dropped"
    """What stands behind transparent pixels: the colour under their transparency, or white."""
    resample: Literal[0, 1, 2, 3, 4, 5] = 2
    rescale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


class ImageEncoder:
    """Turns one image into pixels.

    Args:
        content: Content of ``image.json``.

    Raises:
        ValueError: it is not such a file.
    """

    def __init__(self, content: bytes) -> None:
        self.spec = parse_description(Pixels, content, "an image.json")

    def encode(self, item: Any) -> Encoded:  # noqa: ANN401 - anything a client may send
        """Encode ``{"image": <base64 of a PNG or JPEG>}``, or in training the file's bytes.

        Raises:
            InputError: it is something else, or cannot be read as an image.
        """
        spec = self.spec
        image = _open(item if isinstance(item, bytes) else _bytes_of(item), spec.background)
        if spec.scales:
            image = image.resize(self._scaled(*image.size), RESAMPLE[spec.resample])
        image = self._centre(image)
        pixels = np.asarray(image, dtype=np.float32) * np.float32(spec.rescale)
        mean, std = (np.array(values, dtype=np.float32) for values in (spec.mean, spec.std))
        pixels = (pixels - mean) / std
        # Budgets count patches of 16 by 16 pixels, the positions of most vision transformers.
        return Encoded({"pixel_values": pixels.transpose(2, 0, 1).copy()}, max(1, (spec.size // 16) ** 2))

    def longest(self) -> Any:  # noqa: ANN401
        """Any item: all have as many positions."""
        return self.examples()[0]

    def examples(self) -> list[Any]:
        """Two plain images."""
        items = []
        for value in (0, 200):
            file = io.BytesIO()
            Image.new("RGB", (self.spec.size, self.spec.size), (value, value, value)).save(file, "PNG")
            items.append({"image": base64.b64encode(file.getvalue()).decode()})
        return items

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height before the centre is cut out."""
        shortest = self.spec.shortest_edge
        if shortest is None:
            side = self.spec.resize or self.spec.size
            return side, side
        if self.spec.rounds == "down":
            # The product first: a quotient first may lie just below a whole number.
            return tuple(int(shortest * side / min(width, height)) for side in (width, height))  # type: ignore[return-value]
        scale = shortest / min(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _centre(self, image: Image.Image) -> Image.Image:
        """Crop the centre; pixels beyond the edges are black."""
        size = self.spec.size
        left, top = (image.width - size) // 2, (image.height - size) // 2
        return image if image.size == (size, size) else image.crop((left, top, left + size, top + size))


def _bytes_of(item: Any) -> bytes:  # noqa: ANN401
    if not (isinstance(item, dict) and set(item) == {"image"} and isinstance(item["image"], str)):
        raise InputError('expected an object {"image": "<base64 of a PNG or JPEG file>"}')
    try:
        return base64.b64decode(item["image"], validate=True)
    except (binascii.Error, ValueError):
        raise InputError("image is not base64") from None


def _open(content: bytes, background: str) -> Image.Image:
    """Read a whole image, in RGB, turned as its EXIF orientation says."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS or max(image.size) > 40 * min(image.size):
            raise InputError(f"image is larger than {MAX_PIXELS} pixels, or hardly more than a line")
        if image.format != "PNG" and content.count(SCAN) > MAX_SCANS:
            raise InputError(f"image has more than {MAX_SCANS} scans; save it again")
        return _flat(ImageOps.exif_transpose(image), background)
    except InputError:
        raise
    except Exception:
        # Pillow raises many kinds of error for a broken file, and their messages may repeat content.
        raise InputError("image is not a readable PNG or JPEG") from None


def _flat(image: Image.Image, background: str) -> Image.Image:
    """RGB of one byte per colour."""
    if image.mode.startswith("I"):
        # Pillow itself would cut 16 bits off at 255, which leaves a white picture.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    clear = "A" in image.getbands() or image.info.get("transparency") is not None
    if not clear or background == "dropped":
        return image.convert("RGB")
    over = image.convert("RGBA")
    white = Image.new("RGBA", over.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, over).convert("RGB")
