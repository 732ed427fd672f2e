"""A real Prometheus over real expositions: the rules say of the rows what Fairlearn says, whatever restarts."""

import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Self

import pytest
from monitoring_rows import Rows, assert_rules_equal_fairlearn
from monitoring_stack import Prometheus, free_port
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

MEMBER = ("model", "attribute", "group", "source")
WHERE = 'model="m", attribute="sex", source="declared"'
GROUPS = ("a", "b", "c", "never seen", "unknown")


class Replica:
    """A process's counters on a port of their own; ``restart`` begins them at zero, as a new process does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.target = f"127.0.0.1:{self.port}"
        self._server = None

    def start(self) -> Self:
        registry = CollectorRegistry()
        start = Gauge("evenhand_start_time_seconds", "When it started.", registry=registry)
        start.set(time.time())
        self._decisions = Counter("evenhand_decisions", "Rows.", (*MEMBER, "base", "final"), registry=registry)
        self._outcomes = Counter("evenhand_outcomes", "Rows.", (*MEMBER, "base", "final", "label"), registry=registry)
        for group, base, final in product(GROUPS, "01", "01"):
            self._decisions.labels("m", "sex", group, "declared", base, final)
            for label in "01":
                self._outcomes.labels("m", "sex", group, "declared", base, final, label)
        self._server, self._thread = start_http_server(self.port, "127.0.0.1", registry)
        return self

    def count(self, rows: Rows) -> None:
        for group, base, final, label in zip(rows.group, rows.base, rows.final, rows.label, strict=True):
            self._decisions.labels("m", "sex", group, "declared", base, final).inc()
            self._outcomes.labels("m", "sex", group, "declared", base, final, label).inc()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    def restart(self) -> None:
        self.stop()
        self.start()


@pytest.fixture
def replicas() -> Iterator[list[Replica]]:
    made = [Replica(), Replica(), Replica()]
    yield made
    for replica in made:
        replica.stop()


@pytest.mark.slow
def test_windows_equal_fairlearn_from_one_replica_from_three_and_across_restarts(
    replicas: list[Replica], tmp_path: Path
) -> None:
    first, second, third = replicas
    first.start()
    with Prometheus(tmp_path, [replica.target for replica in replicas]) as prometheus:
        rows = Rows.random(1, 400)
        first.count(rows)
        assert_rules_equal_fairlearn(prometheus, rows, "1h", WHERE)

        second.start()
        third.start()
        for seed, replica in enumerate(replicas, 2):
            more = Rows.random(seed, 300 + 41 * seed)
            replica.count(more)
            rows += more
        for window in ("1h", "1d", "7d", "30d"):
            assert_rules_equal_fairlearn(prometheus, rows, window, WHERE)

        # It has counted more than before when it is looked at again: no counter is lower than it was.
        second.restart()
        more = Rows.random(9, 2000)
        second.count(more)
        rows += more
        assert_rules_equal_fairlearn(prometheus, rows, "1h", WHERE)

        # Prometheus is away, meanwhile one replica ends for good and one begins anew.
        prometheus.stop()
        more = Rows.random(10, 500)
        first.count(more)
        third.stop()
        second.restart()
        last = Rows.random(11, 100)
        second.count(last)
        rows += more + last
        prometheus.restart()
        for window in ("1h", "30d"):
            assert_rules_equal_fairlearn(prometheus, rows, window, WHERE)
        assert prometheus.broken_rules() == []


@pytest.mark.slow
def test_groups_without_rows_or_positives_or_names_have_their_own_answers(
    replicas: list[Replica], tmp_path: Path
) -> None:
    replica = replicas[0].start()
    rows = Rows.random(1, 300, ("a", "b"))
    replica.count(rows)
    with Prometheus(tmp_path, [replica.target]) as prometheus:
        assert_rules_equal_fairlearn(prometheus, rows, "1h", WHERE)
        unseen = f'{{{WHERE}, group="never seen"}}'
        assert prometheus.value(f"evenhand:rows:1h{unseen}") == 0
        assert prometheus.query(f"evenhand:selection_rate_final:1h{unseen}") == []
        assert prometheus.value(f"evenhand:smallest_group_rows:1h{{{WHERE}}}") == 0
        assert prometheus.value(f"evenhand:demographic_parity_verdict:1h{{{WHERE}}}") == 0
