"""A bundle in memory answers frames, arrays and texts as the service answers requests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from library_rows import FEATURES, fitted, people

from evenhand import BundleError, BundleModel, create_app
from evenhand.service.settings import Settings

TEXTS = ["nice day", "The refugees in our building are learning English very fast"]


def test_texts_in_a_list_or_a_frame_get_the_answers_of_the_service(demo: Path) -> None:
    model = BundleModel.of(demo)
    with TestClient(create_app(Settings(bundles=(demo,), record="off"))) as client:
        answers = client.post("/predict", json={"inputs": TEXTS}).json()["predictions"]
    labels = [of["label"] for of in answers]
    assert model.predict(TEXTS).tolist() == labels
    assert model.predict(pd.DataFrame({"any name": TEXTS})).tolist() == labels
    scores = [[of["scores"][label] for label in model.manifest.labels] for of in answers]
    assert model.predict_proba(TEXTS) == pytest.approx(np.array(scores), abs=1e-5)
    with pytest.raises(ValueError, match="takes one column per text, not 2"):
        model.predict(pd.DataFrame({"a": TEXTS, "b": TEXTS}))


def test_a_row_that_cannot_be_read_is_named(demo: Path) -> None:
    with pytest.raises(ValueError, match=r"row 1 \(counted from 0\): "):
        BundleModel.of(demo).predict(["a text", 3])


def test_a_frame_may_have_more_columns_and_in_another_order_but_none_less() -> None:
    model, table = fitted().bundle_, people(40, seed=2)
    expected = model.predict(table[FEATURES])
    assert (model.predict(table) == expected).all()
    assert (model.predict(table[FEATURES[::-1]]) == expected).all()
    with pytest.raises(ValueError, match="no column district; the model reads"):
        model.predict(table[["score", "years"]])


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = fitted().save(tmp_path / "bundle")
    (folder / "MODEL_CARD.md").write_text("better")
    with pytest.raises(BundleError, match="does not match its hash"):
        BundleModel.of(folder)
