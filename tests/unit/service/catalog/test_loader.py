"""How cores are shared out between processes, workers and operators."""

import pytest

from evenhand.models.bundle.runtime_onnx import Session
from evenhand.service.catalog import loader
from evenhand.service.catalog.loader import SPIN_US, session_of, wide_of
from evenhand.service.settings import load

CPU = ("CPUExecutionProvider",)


@pytest.mark.parametrize(
    ("cores", "options", "usual", "wide"),
    [
        (8, {}, Session(1, CPU, 0), Session(8, CPU, SPIN_US)),
        (8, {"workers": 2}, Session(1, CPU, 0), Session(4, CPU, SPIN_US)),
        (8, {"lanes": 2}, Session(4, CPU, 0), Session(8, CPU, SPIN_US)),
        (8, {"lanes": 1}, Session(8, CPU, SPIN_US), None),
        (8, {"threads": 1}, Session(1, CPU, 0), None),
        (1, {}, Session(1, CPU, SPIN_US), None),
    ],
    ids=["a core per worker", "processes", "two workers", "one worker", "threads as told", "one core"],
)
def test_a_run_that_is_alone_gets_what_the_lanes_share(
    monkeypatch: pytest.MonkeyPatch, cores: int, options: dict[str, int], usual: Session, wide: Session | None
) -> None:
    monkeypatch.setattr(loader, "cores", lambda: cores)
    settings = load(bundles=("bundles/hate-speech",), **options)
    assert session_of(settings) == usual
    assert wide_of(settings) == wide


def test_a_gpu_is_not_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "cores", lambda: 8)
    assert wide_of(load(bundles=("bundles/hate-speech",), provider="cuda")) is None
