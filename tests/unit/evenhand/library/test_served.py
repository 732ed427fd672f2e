"""A bundle that was saved from Python is served as any other, and answers over HTTP as ``predict`` does."""

import sys
from pathlib import Path

import numpy as np
import pytest
from library_rows import FEATURES, fitted, people
from serving import Server

ROWS = people(400, seed=9)[FEATURES]


def test_a_real_server_answers_as_predict(tmp_path: Path) -> None:
    classifier = fitted()
    folder = classifier.save(tmp_path / "bundle")
    command = (sys.executable, "-m", "evenhand", "serve", str(folder), "--port", "PORT")
    server = Server(*command, EVENHAND_STATE=str(tmp_path / "state"))
    try:
        status, reply = server.get("/predict", {"inputs": ROWS.to_dict("records")})
    finally:
        assert server.stop() == 0
    assert status == 200
    predictions = reply["predictions"]
    assert [of["label"] for of in predictions] == classifier.predict(ROWS).tolist()
    scores = [[of["scores"][label] for label in classifier.classes_] for of in predictions]
    assert np.array(scores) == pytest.approx(classifier.predict_proba(ROWS), abs=1e-6)
    assert sum(of["corrected"] for of in predictions) > 20
