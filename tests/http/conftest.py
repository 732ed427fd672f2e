"""Real applications over real bundles, in process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from evenhand.service.app import create_app
from evenhand.service.settings import Settings

Start = Callable[..., TestClient]


@contextmanager
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts applications, which end with the ``with`` block: each holds a hundred megabytes and more."""
    with ExitStack() as stack:

        def start(*bundles: Path, **settings: object) -> TestClient:
            own = {
                "state": tmp_path_factory.mktemp("state"),
                "threads": 1,
            }  # the graph once: half of a start's time
            app = create_app(Settings(bundles=bundles, **{**own, **settings}))
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture(scope="session")
def open_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start an application that all tests share."""
    with starting(tmp_path_factory) as start:
        yield start


@pytest.fixture
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start an application; it is stopped at the end of the test."""
    with starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def client(open_shared: Start, demo: Path) -> TestClient:
    return open_shared(demo, max_items=256, threads=0)


@pytest.fixture(scope="session")
def corrects_all(open_shared: Start, altered: Callable[..., Path]) -> TestClient:
    return open_shared(altered(0.0, "apply"))


@pytest.fixture(scope="session")
def shadows_all(open_shared: Start, altered: Callable[..., Path]) -> TestClient:
    return open_shared(altered(0.0, "shadow"))


@pytest.fixture(scope="session")
def two_models(open_shared: Start, demo: Path, altered: Callable[..., Path]) -> TestClient:
    return open_shared(demo, altered(0.0, "off", name="other"))
