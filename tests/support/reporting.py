"""Decisions made elsewhere, to record; and what fairlearn says of them."""

import random
import time
from typing import Any

from evenhand.service.audit.elsewhere.bodies import ReportedRows
from evenhand.service.audit.elsewhere.columns import columns_of
from evenhand.service.audit.elsewhere.rows import Reported
from evenhand.service.catalog.declaration import Declaration, DeclaredAttribute
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.ids import ulid

DECLARATION = Declaration(
    name="hiring",
    labels=["hire", "reject"],
    favourable=["hire"],
    attributes=[
        DeclaredAttribute(name="sex", groups=["female", "male"], reference="male"),
        DeclaredAttribute(name="origin", groups=["a", "b", "c"], reference="a"),
    ],
)
MODEL = ObservedModel("hiring", DECLARATION)


def sent(rows: int, seed: int = 0, ids: bool = True) -> list[dict[str, Any]]:
    """Decisions as a client sends them: biased, and with labels for most."""
    chance, made = random.Random(seed), list[dict[str, Any]]()
    for number in range(rows):
        groups = {"sex": chance.choice(["female", "male"]), "origin": chance.choice("abc")}
        share = chance.random() * (0.8 if groups["sex"] == "female" else 1.0)
        one: dict[str, Any] = {
            "prediction": "hire" if share > 0.4 else "reject",
            "scores": {"hire": share, "reject": 1 - share},
            "groups": groups,
        }
        if ids:
            one["id"] = f"{seed}-{number}"
        if chance.random() < 0.9:
            one["label"] = "hire" if chance.random() < share else "reject"
        made.append(one)
    return made


def reported(rows: int, seed: int = 0, at_ms: int | None = None) -> ReportedRows:
    """The same, checked."""
    made = []
    for one in sent(rows, seed):
        label, truth = one["prediction"], one.get("label")
        p = one["scores"]["hire"]
        made.append(
            Reported(
                id=ulid(),
                own_id=one["id"],
                label=label,
                favourable=label == "hire",
                score=one["scores"][label],
                p=p,
                truth=truth,
                is_good=None if truth is None else truth == "hire",
                groups=one["groups"],
                digest="",
            )
        )
    columns = columns_of(made, MODEL.attribute_names)
    return ReportedRows(MODEL, MODEL.configuration, columns, at_ms or time.time_ns() // 1_000_000, "r1")
