"""What a base's own image processor does to a picture is what is done here, or the base is refused."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoImageProcessor

from evenhand.models.bundle.encoders.image import ImageEncoder, Pixels
from evenhand.training.data.dataset import DataError
from evenhand.training.data.image_file import image_json

PROCESSORS: dict[str, dict[str, Any]] = {
    "vit": {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}},
    # Nothing but its type is in the file: every value is the class's own default.
    "defaults": {"image_processor_type": "ViTImageProcessor"},
    "an earlier name and one number": {"feature_extractor_type": "ViTFeatureExtractor", "size": 32},
    "deit": {
        "image_processor_type": "DeiTImageProcessor",
        "size": {"height": 40, "width": 40},
        "crop_size": {"height": 32, "width": 32},
    },
    "convnext": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}},
    "convnext without a crop": {
        "image_processor_type": "ConvNextImageProcessor",
        "size": {"shortest_edge": 384},
    },
    "dinov2": {
        "image_processor_type": "BitImageProcessor",
        "size": {"shortest_edge": 40},
        "crop_size": {"height": 32, "width": 32},
    },
    "efficientnet": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": {"height": 32, "width": 32},
    },
    "efficientnet's offset": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": {"height": 32, "width": 32},
        "rescale_offset": True,
        "rescale_factor": 1 / 127.5,
        "include_top": False,
    },
    "not normalised": {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "do_normalize": False,
    },
    "not scaled": {
        "image_processor_type": "BitImageProcessor",
        "do_resize": False,
        "crop_size": {"height": 32, "width": 32},
    },
    "not divided": {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "do_rescale": False,
    },
}


def write(folder: Path, settings: dict[str, Any]) -> str:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    return str(folder)


@pytest.mark.parametrize("name", PROCESSORS)
def test_pictures_of_every_shape_become_what_the_bases_processor_makes_of_them(
    name: str, tmp_path: Path
) -> None:
    base = write(tmp_path, PROCESSORS[name])
    encoder = ImageEncoder(image_json(base))
    processor: Any = AutoImageProcessor.from_pretrained(base, backend="pil")
    rng = np.random.default_rng(1)
    for width, height in ((50, 31), (20, 90), (64, 64), (401, 399)):
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        file = io.BytesIO()
        picture.save(file, "PNG")
        ours = encoder.encode(file.getvalue()).arrays["pixel_values"]
        np.testing.assert_allclose(
            ours, processor(picture, return_tensors="np")["pixel_values"][0], atol=1e-4
        )


def test_transparency_stands_on_white_where_the_bases_processor_puts_it_there(tmp_path: Path) -> None:
    base = write(tmp_path, {**PROCESSORS["dinov2"], "do_convert_rgb": True})
    processor: Any = AutoImageProcessor.from_pretrained(base, backend="pil")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 4), dtype=np.uint8)
    picture, file = Image.fromarray(pixels, "RGBA"), io.BytesIO()
    picture.save(file, "PNG")
    ours = ImageEncoder(image_json(base)).encode(file.getvalue()).arrays["pixel_values"]
    np.testing.assert_allclose(ours, processor(picture, return_tensors="np")["pixel_values"][0], atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({**PROCESSORS["vit"], "size": {"height": 32, "width": 40}}, "only square ones"),
        (
            {**PROCESSORS["vit"], "size": {"shortest_edge": 32, "longest_edge": 64}},
            "only square ones of one size",
        ),
        ({**PROCESSORS["vit"], "do_resize": False}, "neither scales nor cuts"),
        (
            {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 32}},
            "Levit.*not done here",
        ),
        ({"image_processor_type": "NoSuchImageProcessor"}, "does not load"),
    ],
)
def test_what_is_not_done_here_is_refused(settings: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        image_json(write(tmp_path, settings))
    assert "\n" not in str(caught.value)


def test_an_image_base_without_preprocessing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"preprocessor_config\.json"):
        image_json(str(tmp_path))


def test_a_description_of_an_earlier_version_means_what_it_meant() -> None:
    spec = Pixels.model_validate_json(json.dumps({"size": 16, "shortest_edge": 18}))
    assert (spec.rounds, spec.background, spec.scales, spec.resize) == ("nearest", "dropped", True, None)
