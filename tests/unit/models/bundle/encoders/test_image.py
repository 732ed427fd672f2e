"""One image alone decides its pixels; a broken, huge or strange one is refused."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from evenhand.models.bundle.encoders.image import ImageEncoder
from evenhand.models.bundle.inputs import InputError

ENCODER = ImageEncoder(json.dumps({"size": 16, "mean": [0.5] * 3, "std": [0.5] * 3}).encode())


def item(image: Image.Image, kind: str = "PNG") -> dict[str, str]:
    file = io.BytesIO()
    image.save(file, kind)
    return {"image": base64.b64encode(file.getvalue()).decode()}


def test_pixels_are_scaled_and_normalised_channels_first() -> None:
    pixels = ENCODER.encode(item(Image.new("RGB", (40, 30), (255, 0, 0)))).arrays["pixel_values"]
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.float32
    assert np.allclose(pixels[0], 1.0)
    assert np.allclose(pixels[1:], -1.0)


def test_it_does_what_the_libraries_own_processor_does() -> None:
    from transformers import ViTImageProcessorPil

    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    theirs = ViTImageProcessorPil(size={"height": 16, "width": 16})(image, return_tensors="np")[
        "pixel_values"
    ][0]
    assert np.allclose(ENCODER.encode(item(image)).arrays["pixel_values"], theirs, atol=1e-5)


def test_the_centre_is_cut_out_where_the_base_wants_it() -> None:
    encoder = ImageEncoder(json.dumps({"size": 16, "shortest_edge": 20, "resample": 0}).encode())
    image = Image.new("RGB", (200, 20), (0, 0, 0))
    image.paste((255, 255, 255), (92, 0, 108, 20))
    pixels = encoder.encode(item(image)).arrays["pixel_values"]
    assert pixels.min() > 0.9


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert ENCODER.encode(item(Image.new(mode, (9, 9)), kind)).arrays["pixel_values"].shape == (3, 16, 16)


def test_a_picture_is_turned_as_its_exif_orientation_says() -> None:
    upright = np.full((40, 60, 3), 90, np.uint8)
    upright[:20] = 230
    plain = ENCODER.encode(item(Image.fromarray(upright), "JPEG")).arrays["pixel_values"]
    for turn, orientation in ((Image.Transpose.ROTATE_90, 6), (Image.Transpose.ROTATE_270, 8)):
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x112] = orientation
        Image.fromarray(upright).transpose(turn).save(file, "JPEG", quality=95, exif=exif.tobytes())
        turned = ENCODER.encode(file.getvalue()).arrays["pixel_values"]
        assert np.abs(turned - plain).mean() < 0.05


def test_sixteen_bits_keep_their_shades() -> None:
    shades = np.linspace(0, 65535, 2400).astype(np.uint16).reshape(40, 60)
    fine = ENCODER.encode(item(Image.fromarray(shades))).arrays["pixel_values"]
    coarse = ENCODER.encode(item(Image.fromarray((shades >> 8).astype(np.uint8)))).arrays["pixel_values"]
    assert np.array_equal(fine, coarse)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_stands_behind_transparency_is_what_the_description_says(mode: str) -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0)).convert(mode)
    if mode == "P":
        clear.info["transparency"] = clear.getpixel((0, 0))
    on_white = ImageEncoder(json.dumps({"size": 16, "background": "white"}).encode())
    dropped = ImageEncoder(json.dumps({"size": 16}).encode())
    assert np.allclose(on_white.encode(item(clear)).arrays["pixel_values"], 1.0)
    assert np.allclose(dropped.encode(item(clear)).arrays["pixel_values"], 0.0)


def bomb() -> bytes:
    """A PNG header that promises 100,000 x 100,000 pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


WHOLE = base64.b64decode(
    item(
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)),
    )["image"]
)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("text", "expected an object"),
        ({"image": 1}, "expected an object"),
        ({"image": "no base64 !"}, "not base64"),
        ({"image": base64.b64encode(b"GIF89a secret").decode()}, "not a readable"),
        ({"image": base64.b64encode(WHOLE[: len(WHOLE) // 2]).decode()}, "not a readable"),
        ({"image": base64.b64encode(bomb()).decode()}, "larger than|not a readable"),
        ({"image": ""}, "not a readable"),
    ],
)
def test_what_is_no_image_is_refused(item: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ENCODER.encode(item)


def test_its_own_examples_can_be_encoded() -> None:
    assert [ENCODER.encode(example).tokens for example in ENCODER.examples()] == [1, 1]


def test_what_describes_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"image\.json"):
        ImageEncoder(b"{}")
