"""Items to examples, and no longer than anybody waits."""

import time
from pathlib import Path

import pytest

from models.bundle import load
from models.encoders import make_encoder
from service import preprocess


def test_nobody_is_worked_for_who_waits_no_more(demo: Path) -> None:
    bundle = load(demo)
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    modes = preprocess.request_modes(("off",), None)
    with pytest.raises(TimeoutError):
        preprocess.examples(encoder, ["a"] * 1000, modes, False, time.monotonic() - 1)
    assert len(preprocess.examples(encoder, ["a"] * 10, modes, False, time.monotonic() + 60)) == 10


def test_an_item_has_bytes_whatever_it_is() -> None:
    assert preprocess.plain({"b": 1, "a": "x"}) == preprocess.plain({"a": "x", "b": 1}) == b'{"a":"x","b":1}'
    assert preprocess.plain(b"\x89PNG") == b"\x89PNG"  # an image as a Triton client sends it
    assert preprocess.plain({"school": "\ud800"}) == b'{"school": "\\ud800"}'
