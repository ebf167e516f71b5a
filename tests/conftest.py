"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import servers

# Time limits per example measure the machine, not the code; a fixed seed makes a failure repeatable.
settings.register_profile(
    "laddvakt", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("laddvakt")


def pytest_addoption(parser: pytest.Parser) -> None:
    """For tests/conformance alone; an option must be known before that folder is read."""
    group = parser.getgroup("conformance", "the conformance suite against a running collector")
    group.addoption(
        "--conformance-url", help="ws[s]://HOST:PORT[/ocpp]; left out, the suite starts its own collector"
    )
    group.addoption(
        "--conformance-station",
        action="append",
        default=[],
        metavar="ID[:PASSWORD]",
        help="a registered station that is not in use; needed twice: the second stands by",
    )


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the services do."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """Shared by all tests; take `postgres_url` unless the test stops it, and then start one of its own."""
    with servers.postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: servers.Postgres) -> str:
    """An SQLAlchemy URL of an empty PostgreSQL database."""
    return postgres_server.fresh()


@pytest.fixture(scope="session")
def influx_server() -> Iterator[servers.Influx]:
    """Shared by all tests; take `influx_bucket` unless the test stops it, and then start one of its own."""
    with servers.influx() as server:
        yield server


@pytest.fixture
def influx_bucket(influx_server: servers.Influx) -> tuple[str, str]:
    """URL of an InfluxDB, and the name of an empty bucket there."""
    return influx_server.url, influx_server.fresh()


@pytest.fixture
def mosquitto_server() -> Iterator[servers.Mosquitto]:
    """A Mosquitto broker of this test's own, at `.url`."""
    with servers.mosquitto() as server:
        yield server


@pytest.fixture
def nats_server() -> Iterator[servers.Nats]:
    """A NATS server of this test's own, at `.url`."""
    with servers.nats() as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    return servers.chromium_path()
