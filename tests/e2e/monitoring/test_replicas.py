"""Three services over one database, and Prometheus: all report the same fairness, whichever one restarts."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databases import database, postgres  # noqa: F401 - fixtures
from monitoring_rows import Rows, assert_rules_equal_fairlearn, by_fairlearn
from monitoring_stack import Prometheus
from rebundle import regrouped
from serving import EVENHAND, Server
from written_bundle import written

WORDS = "you we they are love hate muslims jews women black people friends stupid nice day go home"
GROUPS = ("none", "African", "Arab")
WHERE = 'model="hate-speech", attribute="race", source="declared"'


class Replicas:
    """Services that share a database, and what they were told and said."""

    def __init__(self, bundle: Path, state: Path, url: str) -> None:
        self._start = (str(EVENHAND), "serve", str(bundle), "--port", "PORT", "--log-level", "warning")
        # An answer leaves when it is on record, so that any other replica finds it at once.
        on_disk = {"EVENHAND_DURABILITY": "request"}
        self._environment = {"EVENHAND_STATE": str(state), "EVENHAND_RECORD": url, **on_disk}
        self.servers = [Server(*self._start, **self._environment) for _ in range(3)]
        self.rows = Rows(*(np.array([], dtype=kind) for kind in (object, int, int, int)))

    def ask(self, seed: int, rows: int, predict_at: int, feedback_at: int) -> None:
        """Ask one of them for predictions, and tell another the true labels."""
        chance = random.Random(seed)
        texts = [" ".join(chance.choices(WORDS.split(), k=6)) for _ in range(rows)]
        # Every group has both labels, so that Fairlearn's rates exist.
        groups = [GROUPS[place % 3] for place in range(rows)]
        labels = [place // 3 % 2 for place in range(rows)]
        body = {"inputs": texts, "groups": [{"race": group} for group in groups]}
        status, reply = self.servers[predict_at].get("/predict", body)
        assert status == 200, reply
        predictions = reply["predictions"]
        names = {0: "hate", 1: "not hate"}
        items = [{"id": p["id"], "label": names[label]} for p, label in zip(predictions, labels, strict=True)]
        status, reply = self.servers[feedback_at].get("/feedback", {"feedback": items})
        assert (status, reply["counts"]) == (200, {"joined": rows})
        bits = ([int(label == "not hate") for label in column] for column in self._answers(predictions))
        self.rows += Rows(*(np.array(column) for column in (groups, *bits, labels)))

    def restart(self, place: int) -> None:
        """Stop one as its operator would, and start it again where it was."""
        old = self.servers[place]
        assert old.stop() == 0
        self.servers[place] = Server(*self._start, port=old.port, **self._environment)

    def close(self) -> None:
        for server in self.servers:
            server.process.kill()
            server.process.wait()

    def _answers(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
        return [p["base"]["label"] for p in predictions], [p["label"] for p in predictions]


@pytest.fixture
def replicas(
    altered: Callable[..., Path],
    tmp_path: Path,
    database: str,  # noqa: F811 - the fixture
) -> Iterator[Replicas]:
    bundle = regrouped(written(altered(0.5, "apply")), race=GROUPS)
    made = Replicas(bundle, tmp_path / "state", database)
    yield made
    made.close()


def assert_all_say(replicas: Replicas) -> None:
    """``/fairness`` of every replica is Fairlearn's figures on all rows, to 1e-12."""
    expected = {answer: by_fairlearn(replicas.rows, answer) for answer in ("base", "final")}
    for server in replicas.servers:
        _, reply = server.get("/fairness?hours=2")
        race = next(attribute for attribute in reply["attributes"] if attribute["attribute"] == "race")
        declared = race["sources"]["declared"]
        assert declared["rows"] == len(replicas.rows)
        for metric in declared["metrics"]:
            for answer in ("base", "final"):
                name = f"{metric['metric']}_{answer}"
                assert metric[answer]["value"] == pytest.approx(expected[answer][name], abs=1e-12), name


@pytest.mark.slow
def test_prometheus_and_every_replica_say_what_fairlearn_says(replicas: Replicas, tmp_path: Path) -> None:
    targets = [f"127.0.0.1:{server.port}" for server in replicas.servers]
    with Prometheus(tmp_path / "prometheus", targets) as prometheus:
        replicas.ask(1, 90, predict_at=0, feedback_at=0)
        assert_rules_equal_fairlearn(prometheus, replicas.rows, "1h", WHERE)
        for place in range(3):
            replicas.ask(2 + place, 60 + 12 * place, predict_at=place, feedback_at=(place + 1) % 3)
        assert_rules_equal_fairlearn(prometheus, replicas.rows, "1h", WHERE)
        assert_all_say(replicas)
        replicas.restart(1)
        replicas.ask(9, 120, predict_at=1, feedback_at=2)
        for window in ("1h", "30d"):
            assert_rules_equal_fairlearn(prometheus, replicas.rows, window, WHERE)
        assert_all_say(replicas)
        assert prometheus.broken_rules() == []
