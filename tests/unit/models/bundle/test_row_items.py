"""A row of a table becomes what the encoder takes, or one reason why it cannot."""

from pathlib import Path
from typing import Any

import pytest
from places import DEMO

from evenhand.models.bundle.bundle import load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import InputError
from evenhand.models.bundle.row_items import RowInputs, row_item

DEMO_BUNDLE = load(DEMO)
ENCODER = make_encoder(DEMO_BUNDLE.preprocess, DEMO_BUNDLE.manifest.input)


def item(values: dict[str, str | None], **inputs: Any) -> Any:
    return row_item(values, RowInputs(**{"text": "first", "text_pair": "second", **inputs}), ENCODER)


def test_texts_and_pairs_come_from_their_columns() -> None:
    assert item({"first": "a", "second": "b"}, task="text") == "a"
    assert item({"first": "a", "second": "b"}, task="pair") == {"text": "a", "text_pair": "b"}


@pytest.mark.parametrize(
    ("task", "values"), [("text", {}), ("text", {"first": None}), ("pair", {"first": "a", "second": None})]
)
def test_a_part_that_is_missing_is_named_by_the_kind_of_input(
    task: str, values: dict[str, str | None]
) -> None:
    with pytest.raises(InputError, match=f"no {task}"):
        item(values, task=task)


def test_an_image_is_a_file_of_the_folder_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"pixels")
    (tmp_path / "out.png").write_bytes(b"secret")
    assert item({"first": "a.png"}, task="image", images=tmp_path / "in") == b"pixels"
    for name in ("b.png", "../out.png", "", "a\0b", "x" * 5000):
        with pytest.raises(InputError, match="no such image file"):
            item({"first": name}, task="image", images=tmp_path / "in")
