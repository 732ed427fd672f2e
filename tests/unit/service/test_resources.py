"""No more threads than the container may use."""

from pathlib import Path

import pytest

from evenhand.service.resources import cores


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 64), ("150000 100000", 2), ("100000 100000", 1), ("1000 100000", 1)],
)
def test_a_containers_quota_bounds_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    file = tmp_path / "cpu.max"
    file.write_text(quota + "\n")
    assert cores(file) == expected


def test_without_a_quota_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert cores(tmp_path / "none") == 3
    (tmp_path / "odd").write_text("what is this")
    assert cores(tmp_path / "odd") == 3
