"""The encoder that a bundle's input section asks for."""

import pytest

from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.image import ImageEncoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.manifest import ImageInput, TableInput, TextInput

TABLE = b'{"numeric": [{"name": "a", "mean": 0, "scale": 1}], "categorical": []}'


def test_each_kind_has_its_encoder() -> None:
    assert isinstance(make_encoder(TABLE, TableInput()), TableEncoder)
    assert isinstance(make_encoder(b'{"size": 8}', ImageInput()), ImageEncoder)


@pytest.mark.parametrize("spec", [TableInput(), ImageInput(), TextInput(max_tokens=8, pad_id=0)])
def test_a_file_of_another_kind_is_refused(spec: TableInput | ImageInput | TextInput) -> None:
    with pytest.raises(ValueError, match="not a"):
        make_encoder(b"[]", spec)
