"""The collector that is driven: one of our own in a process of its own, or `--conformance-url`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conformance.target import Secured, Target, collector, given_target, secured_collector
from tests.support import servers
from tests.support.rawsocket import RawSocket


@pytest.fixture(scope="session")
def broker() -> Iterator[servers.Nats]:
    """The event log of our own collectors."""
    with servers.nats() as server:
        yield server


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Whatever is to be tried: serves registered stations, lenient, unknown ones pending."""
    url = request.config.getoption("--conformance-url")
    if url:
        yield given_target(url, request.config.getoption("--conformance-station"))
        return
    broker: servers.Nats = request.getfixturevalue("broker")
    with collector(tmp_path_factory.mktemp("open"), broker.url) as own:
        yield own


@pytest.fixture(scope="session")
def own(request: pytest.FixtureRequest, target: Target) -> Target:
    """The same, for what depends on settings that another's collector may not have."""
    if request.config.getoption("--conformance-url"):
        pytest.skip("depends on settings of the collector")
    return target


@pytest.fixture(scope="session")
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Security profile 1: stations show their passwords."""
    if request.config.getoption("--conformance-url"):
        pytest.skip("depends on settings of the collector")
    broker: servers.Nats = request.getfixturevalue("broker")
    with collector(tmp_path_factory.mktemp("guarded"), broker.url, LADDVAKT_OCPP__SECURITY_PROFILE="1") as own:
        yield own


@pytest.fixture(scope="session")
def strict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Reads nothing that breaks the specification."""
    if request.config.getoption("--conformance-url"):
        pytest.skip("depends on settings of the collector")
    broker: servers.Nats = request.getfixturevalue("broker")
    with collector(tmp_path_factory.mktemp("strict"), broker.url, LADDVAKT_OCPP__STRICT="true") as own:
        yield own


@pytest.fixture(scope="session")
def over_tls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Security profile 2: passwords inside TLS."""
    yield from _secured(request, tmp_path_factory.mktemp("tls"), 2)


@pytest.fixture(scope="session")
def by_certificate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Security profile 3: client certificates."""
    yield from _secured(request, tmp_path_factory.mktemp("certificates"), 3)


def _secured(request: pytest.FixtureRequest, folder: Path, profile: int) -> Iterator[Secured]:
    if request.config.getoption("--conformance-url"):
        pytest.skip("depends on settings of the collector")
    broker: servers.Nats = request.getfixturevalue("broker")
    with secured_collector(folder, broker.url, profile) as found:
        yield found


@pytest.fixture
async def bystander(target: Target) -> AsyncIterator[RawSocket]:
    """Another station, connected and well-behaved. Whatever the test does to the collector, it is answered in the
    end on the connection that it had in the beginning."""
    async with target.station("ocpp1.6", target.stations[1]) as other:
        await other.beat()
        yield other
        await other.beat()
