"""A model is tried before it answers, and a known row tells later whether it still does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from places import DEMO

from evenhand.models.bundle.bundle import Bundle, BundleError, load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.runner import Runner
from evenhand.models.bundle.runtime_onnx import GraphOutputs, Session
from evenhand.service.inference import engine as module
from evenhand.service.inference.engine import Alone, Engine
from evenhand.service.types import Example, Scores


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load(DEMO)


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
    [(np.nan, "is not finite"), (None, "depends on the other rows of its batch")],
    ids=["nan", "company"],
)
def test_a_graph_whose_canary_does_not_sing_is_not_served(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, broken: float | None, message: str
) -> None:
    whole = Engine._score

    def score(self: Engine, runner: Runner, examples: list[Example]) -> list[Scores]:
        results = whole(self, runner, examples)
        wrong = len(examples) if broken is None else broken
        return [replace(scores, base=scores.base + np.float32(wrong)) for scores in results]

    monkeypatch.setattr(Engine, "_score", score)
    with pytest.raises(RuntimeError, match=message):
        engine(bundle)


def test_a_run_that_is_alone_has_all_cores_and_the_same_answer(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Session] = []
    make = module.make_runner

    def noted(bundle: Bundle, session: Session) -> Runner:
        sessions.append(session)
        runner = make(bundle, session)
        answer = runner.run

        def run(*arguments: Any) -> GraphOutputs:
            ran.append(session)
            return answer(*arguments)

        runner.run = run  # type: ignore[method-assign]
        return runner

    ran: list[Session] = []
    monkeypatch.setattr(module, "make_runner", noted)
    narrow, wide, alone = Session(1, spin_us=0), Session(2, spin_us=200), False
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    made = Engine(bundle, encoder, narrow, Alone(wide, lambda: alone))
    example = made._canary[0]
    (in_company,) = made.run([example])
    alone = True
    (by_itself,) = made.run([example])
    assert (sessions, ran[-2:]) == ([narrow, wide], [narrow, wide])
    np.testing.assert_allclose(by_itself.base, in_company.base, atol=1e-6)
    np.testing.assert_allclose(by_itself.logits, in_company.logits, atol=1e-6)


def test_a_provider_that_is_not_there_stops_the_start_and_says_what_to_install(bundle: Bundle) -> None:
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    with pytest.raises(BundleError, match="install the extra `gpu`"):
        Engine(bundle, encoder, Session(1, ("CUDAExecutionProvider", "CPUExecutionProvider")))
