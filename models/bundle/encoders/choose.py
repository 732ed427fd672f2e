"""The encoder that a bundle's input section asks for."""

from __future__ import annotations

from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.encoders.text import TextEncoder
from evenhand.models.bundle.inputs import Encoder
from evenhand.models.bundle.manifest import Input


def make_encoder(content: bytes, spec: Input) -> Encoder:
    """Make the encoder of a bundle.

    Args:
        content: The bundle's preprocessing file.
        spec: The bundle's input section.

    Raises:
        ValueError: the file is not of its kind, or the bundle reads images and Pillow is not installed.
    """
    if spec.kind == "table":
        return TableEncoder(content)
    if spec.kind == "image":
        try:
            from evenhand.models.bundle.encoders.image import ImageEncoder
        except ImportError as error:
            raise ValueError(
                "serving images needs Pillow: install evenhand with its extra `image`"
            ) from error
        return ImageEncoder(content)
    return TextEncoder(content, spec)
