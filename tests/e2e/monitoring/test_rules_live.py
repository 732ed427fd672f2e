"""A real Prometheus over written metrics, then the service's: the rules equal Fairlearn, with restarts."""

import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from monitoring_rows import Rows, assert_rules_equal_fairlearn
from monitoring_stack import Prometheus, free_port, program
from monitoring_traffic import FAVOURABLE, OTHER, send
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from rebundle import regrouped
from serving import EVENHAND, Server
from written_bundle import FLIPPED, KIND, UNKIND, written

MEMBER = ("model", "attribute", "group", "source")
WHERE = 'model="m", attribute="sex", source="declared"'
RELIGION = 'model="hate-speech", attribute="religion", source="declared"'
TEXTS = (KIND, UNKIND, FLIPPED, "muslims are welcome here")
SEVERAL = ("none", "Islam", "Jewish")
GROUPS = ("a", "b", "c", "never seen", "unknown")


class Replica:
    """A process's counters on a port of their own; ``restart`` begins them at zero, as a new process does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.target = f"127.0.0.1:{self.port}"
        self._server = None

    def start(self, age_s: float = 0.0) -> Self:
        registry = CollectorRegistry()
        start = Gauge("evenhand_start_time_seconds", "When it started.", registry=registry)
        start.set(time.time() - age_s)
        self._decisions = Counter(
            "evenhand_decisions", "Rows.", (*MEMBER, "base", "final"), registry=registry
        )
        self._outcomes = Counter(
            "evenhand_outcomes", "Rows.", (*MEMBER, "base", "final", "label"), registry=registry
        )
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


@pytest.mark.slow
@pytest.mark.parametrize(("away_min", "hour", "month"), [(10, 650, 1050), (120, 0, 0)], ids=["short", "long"])
def test_totals_go_on_after_an_outage_of_prometheus_and_begin_anew_after_a_long_one(
    replicas: list[Replica], tmp_path: Path, away_min: int, hour: int, month: int
) -> None:
    replica = replicas[0].start(age_s=5 * 3600)
    replica.count(alike(950))
    remember(tmp_path, replica, away_min)
    with Prometheus(tmp_path, [replica.target]) as prometheus:
        prometheus.wait_for('evenhand:decisions:seen{group="a", base="1", final="1"}', 950)
        replica.count(alike(7))
        prometheus.wait_for('evenhand:rows:1h{group="a"}', hour + 7)
        prometheus.wait_for('evenhand:rows:30d{group="a"}', month + 7)


def alike(rows: int) -> Rows:
    """Rows that are all the same."""
    return Rows(np.full(rows, "a"), *(np.ones(rows, int) for _ in range(3)))


def remember(folder: Path, replica: Replica, away_min: int) -> None:
    """Give Prometheus a past: five hours, 300 rows and then 900 of this replica, then a time without it."""
    now_s = time.time()
    began_s = now_s - 5 * 3600
    target = f'job="evenhand",instance="{replica.target}"'
    cell = 'model="m",attribute="sex",group="a",source="declared",base="1",final="1"'
    lines = []
    for name, before, after in (
        ("evenhand:totals:begun", began_s, began_s),
        (f"evenhand:decisions:total{{{cell}}}", 400, 1000),
        (f"evenhand:decisions:seen{{{cell},{target}}}", 300, 900),
        (f"evenhand:decisions:seen{{{target}}}", began_s, began_s),
    ):
        for at_s in np.arange(began_s, now_s - 60 * away_min, 30):
            lines.append(f"{name} {before if at_s < now_s - 55 * 60 else after} {at_s:.3f}\n")
    (folder / "past.txt").write_text("".join(lines) + "# EOF\n")
    command = [
        program("promtool"),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        folder / "past.txt",
        folder / "data",
    ]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.slow
def test_the_service_itself_equals_fairlearn_from_three_replicas_and_across_a_restart(
    altered: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = regrouped(written(altered(0.5, "apply")), religion=SEVERAL)
    ports = [free_port() for _ in range(3)]

    def start(place: int) -> Server:
        command = (str(EVENHAND), "serve", str(bundle), "--port", "PORT")
        return Server(*command, port=ports[place], EVENHAND_STATE=str(tmp_path / f"state{place}"))

    servers: list[Server] = []
    try:
        with Prometheus(tmp_path / "prometheus", [f"127.0.0.1:{port}" for port in ports]) as prometheus:
            servers.append(start(0))
            rows = traffic(servers[0], 1)
            assert_rules_equal_fairlearn(prometheus, rows, "1h", RELIGION)
            servers += [start(1), start(2)]
            for seed, server in enumerate(servers, 2):
                rows += traffic(server, seed)
            assert_rules_equal_fairlearn(prometheus, rows, "1d", RELIGION)
            servers[1].stop()
            servers[1] = start(1)
            rows += traffic(servers[1], 5)
            for window in ("1h", "30d"):
                assert_rules_equal_fairlearn(prometheus, rows, window, RELIGION)
            assert prometheus.broken_rules() == []
    finally:
        for server in servers:
            server.process.kill()
            server.process.wait()


def traffic(server: Server, seed: int) -> Rows:
    """Texts of several kinds, some of which the correction changes, with groups and labels by chance."""
    random = np.random.default_rng(seed)
    texts = random.choice(TEXTS, 150)
    groups = random.choice([*SEVERAL], 150, p=[0.5, 0.3, 0.2])
    labels = random.choice([FAVOURABLE, OTHER], 150)
    return send(server, texts.tolist(), [{"religion": group} for group in groups.tolist()], labels.tolist())
