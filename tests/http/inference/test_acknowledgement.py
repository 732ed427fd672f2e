"""At ``durability: request`` a refused answer counts nowhere, and ``/readyz`` knows that none can leave."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from record_faults import locked
from series import total
from sqlalchemy import create_engine, func, select
from waiting import until

from evenhand.service.audit.tables import records


@contextmanager
def nowhere(state: Path) -> Iterator[None]:
    """Neither the database nor the spool takes records."""
    (state / "spool").write_text("a file is no folder")
    try:
        with locked(f"sqlite:///{state / 'record.db'}"):
            yield
    finally:
        (state / "spool").unlink()


def test_a_refused_answer_is_not_stored_not_counted_and_readiness_says_so(
    open_client: Callable[..., TestClient], altered: Callable[..., Path], tmp_path: Path
) -> None:
    client = open_client(altered(0.0, "apply"), state=tmp_path, durability="request", lot_rows=1)
    ask = {
        "inputs": ["a nice day", "go home"],
        "groups": [{"any_group": "mentioned"}, {"any_group": "no such group"}],
    }
    assert client.post("/predict", json=ask).status_code == 200
    until(lambda: total(client, "evenhand_decisions_total", attribute="any_group", source="declared") == 2)
    assert total(client, "evenhand_group_overflow_total", attribute="any_group") == 1
    with nowhere(tmp_path):
        refused = client.post("/predict", json=ask)
        assert refused.status_code == 503
        assert refused.json()["error"]["type"] == "record_unavailable"
        assert "nothing of this request was stored" in refused.json()["error"]["message"]
        unready = client.get("/readyz")
        assert unready.status_code == 503
        assert "no answer can leave" in unready.json()["error"]["message"]
        assert client.get("/healthz").status_code == 200
    until(lambda: client.get("/readyz").status_code == 200)  # though nobody asks for predictions
    assert client.post("/predict", json=ask).status_code == 200
    until(lambda: total(client, "evenhand_decisions_total", attribute="any_group", source="declared") == 4)
    assert total(client, "evenhand_group_overflow_total", attribute="any_group") == 2
    assert total(client, "evenhand_records_total", result="refused") == 2
    engine = create_engine(f"sqlite:///{tmp_path / 'record.db'}")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(records)) == 4


def test_at_durability_batch_answers_leave_whatever_becomes_of_the_record(
    open_client: Callable[..., TestClient], demo: Path, tmp_path: Path
) -> None:
    client = open_client(demo, state=tmp_path)
    assert client.post("/predict", json={"inputs": "a"}).status_code == 200
    with nowhere(tmp_path):
        assert client.post("/predict", json={"inputs": "a"}).status_code == 200
        until(lambda: client.app.state.running.audit.spooled >= 1)  # type: ignore[attr-defined]
        assert client.get("/readyz").status_code == 200
