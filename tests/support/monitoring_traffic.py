"""Rows sent to a running service, with declared groups and true labels, and kept as they were answered."""

import time
from collections.abc import Sequence

import numpy as np
from monitoring_rows import Rows
from serving import Server

FAVOURABLE, OTHER = "not hate", "hate"
LOT = 64
JOINED_S = 600.0


def send(
    server: Server, texts: Sequence[str], declared: Sequence[dict[str, str]], labels: Sequence[str]
) -> Rows:
    """Ask for a prediction of every text, then tell its true label.

    Args:
        server: The service.
        texts: What is judged.
        declared: Groups of each text, by attribute; rows are returned with that of the first attribute.
        labels: True label of each.
    """
    answers = []
    for begin in range(0, len(texts), LOT):
        part = slice(begin, begin + LOT)
        status, body = server.get("/predict", {"inputs": list(texts[part]), "groups": list(declared[part])})
        assert status == 200, body
        answers += body["predictions"]
    items = [{"id": answer["id"], "label": label} for answer, label in zip(answers, labels, strict=True)]
    for begin in range(0, len(items), LOT):
        _tell(server, items[begin : begin + LOT])

    def favourable(said: Sequence[str]) -> np.ndarray:
        return np.array([int(label == FAVOURABLE) for label in said])

    return Rows(
        np.array([next(iter(groups.values())) for groups in declared]),
        favourable([answer["base"]["label"] for answer in answers]),
        favourable([answer["label"] for answer in answers]),
        favourable(labels),
    )


def _tell(server: Server, items: list[dict[str, str]]) -> None:
    """Feedback; a decision that is not on record yet is told of again."""
    deadline_s = time.monotonic() + JOINED_S
    while items:
        status, body = server.get("/feedback", {"feedback": items})
        assert status == 200, body
        results = [result["result"] for result in body["results"]]
        assert set(results) <= {"joined", "orphan"}, body["counts"]
        items = [item for item, result in zip(items, results, strict=True) if result == "orphan"]
        assert not items or time.monotonic() < deadline_s, f"{len(items)} decisions are not on record"
        time.sleep(0.1 if items else 0)
