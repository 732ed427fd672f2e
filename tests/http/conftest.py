"""Real applications over real bundles, in process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@pytest.fixture(scope="session")
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., TestClient]]:
    """Start an application; it is stopped at the end of the tests."""
    with ExitStack() as stack:

        def start(*bundles: Path, **settings: object) -> TestClient:
            own = {"state": tmp_path_factory.mktemp("state")}
            app = create_app(Settings(bundles=bundles, **{**own, **settings}))
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture(scope="session")
def client(open_client: Callable[..., TestClient], demo: Path) -> TestClient:
    return open_client(demo, max_items=256)


@pytest.fixture(scope="session")
def corrects_all(open_client: Callable[..., TestClient], altered: Callable[..., Path]) -> TestClient:
    return open_client(altered(0.0, "apply"))


@pytest.fixture(scope="session")
def shadows_all(open_client: Callable[..., TestClient], altered: Callable[..., Path]) -> TestClient:
    return open_client(altered(0.0, "shadow"))


@pytest.fixture(scope="session")
def two_models(open_client: Callable[..., TestClient], demo: Path, altered: Callable[..., Path]) -> TestClient:
    return open_client(demo, altered(0.0, "off", name="other"))
