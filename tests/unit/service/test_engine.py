"""A model is tried before it answers, and a known row tells later whether it still does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle, BundleError, load
from models.encoders import make_encoder
from models.runtime import Session
from service.engine import Engine
from service.types import Example, Scores


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load(Path(__file__).parents[3] / "bundles/hatexplain-toxicity")


def engine(bundle: Bundle) -> Engine:
    return Engine(bundle, make_encoder(bundle.preprocess, bundle.manifest.input), Session(threads=1))


def test_a_whole_engine_answers_its_canary_and_says_how_fast_it_is(bundle: Bundle) -> None:
    made = engine(bundle)
    made.probe()
    seconds, tokens = made.warm(batch_rows=4, batch_tokens=1000)
    assert seconds > 0
    assert tokens % 4 == 0


def test_a_batch_that_no_row_fits_is_still_one_row(bundle: Bundle) -> None:
    _, tokens = engine(bundle).warm(batch_rows=64, batch_tokens=1)
    assert tokens > 1


def test_a_known_row_with_another_answer_is_a_failure(bundle: Bundle) -> None:
    made = engine(bundle)
    example, scores = made._canary
    made._canary = example, replace(scores, base=scores.base + 1)
    with pytest.raises(RuntimeError, match="another answer"):
        made.probe()


@pytest.mark.parametrize(
    ("broken", "message"),
    [(np.nan, "is not finite"), (None, "depends on who shares its batch")],
    ids=["nan", "company"],
)
def test_a_graph_whose_canary_does_not_sing_is_not_served(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, broken: float | None, message: str
) -> None:
    whole = Engine.run

    def run(self: Engine, examples: list[Example]) -> list[Scores]:
        found = whole(self, examples)
        wrong = len(examples) if broken is None else broken
        return [replace(scores, base=scores.base + np.float32(wrong)) for scores in found]

    monkeypatch.setattr(Engine, "run", run)
    with pytest.raises(RuntimeError, match=message):
        engine(bundle)


def test_a_provider_that_is_not_there_stops_the_start_and_says_what_to_install(bundle: Bundle) -> None:
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    with pytest.raises(BundleError, match="install the extra `gpu`"):
        Engine(bundle, encoder, Session(1, ("CUDAExecutionProvider", "CPUExecutionProvider")))
