"""The records are away: what stations and drivers are told, and what a collector remembers."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from collector.ocpp.action import Purpose
from collector.registry import Registry
from collector.remembered import Remembered, remembered_file
from collector.service import Collector
from laddvakt.clock import utc_now
from laddvakt.domain.errors import StoreUnavailableError
from laddvakt.domain.identification import Shown
from laddvakt.domain.tokens import AuthorizationStatus
from laddvakt.eventlog.client import EventLog
from laddvakt.network.apply import apply_network
from laddvakt.network.model import Network
from laddvakt.settings import OcppSettings, RecordsSettings, Settings, privacy_key
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support import servers
from tests.support.collecting import OCPP16, ask, register
from tests.support.eventlog import running_server, settings_for
from tests.support.waiting import eventually

NETWORK = Network.model_validate(
    {
        "stations": [{"id": "SE-1", "password": "pass-of-the-station"}],
        "drivers": [{"id": "anna"}],
        "tokens": [
            {"id_tag": "04A2B3C4", "driver": "anna", "group": "FAMILY"},
            {"id_tag": "LOST", "status": "Blocked"},
        ],
    }
)
SECRETS = (b"04A2B3C4", b"B3C4", b"anna", b"pass-of-the-station")


def imported(records: Records, settings: Settings) -> None:
    records.migrate()
    apply_network(NETWORK, records, privacy_key=privacy_key(settings), now=utc_now())


@asynccontextmanager
async def collecting(settings: Settings, records: Records) -> AsyncIterator[Collector]:
    """A collector that serves stations."""
    log = await EventLog.connect(settings, name="collector")
    collector = Collector(settings, records, log, utc_now)
    running = asyncio.create_task(collector.run())

    def serves() -> bool:
        with suppress(Exception):
            return bool(collector.server.port)
        return False

    try:
        await eventually(serves, what="the collector to serve", deadline_s=30)
        yield collector
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await log.close()


async def told(collector: Collector, id_tag: str) -> str:
    async with connect(f"ws://127.0.0.1:{collector.server.port}/SE-1", subprotocols=OCPP16) as link:
        status: str = (await ask(link, "Authorize", {"idTag": id_tag}))[2]["idTagInfo"]["status"]
        return status


async def answers(collector: Collector) -> list[str]:
    return [await told(collector, id_tag) for id_tag in ("04A2B3C4", "LOST", "stranger")]


async def test_collector_that_starts_while_postgresql_is_dead_knows_its_stations_and_tokens(
    tmp_path: Path,
) -> None:
    with servers.postgres() as database:
        options = OcppSettings(listen="127.0.0.1:0", unknown_tokens="reject", unknown_stations="reject")
        settings = settings_for(tmp_path, ocpp=options, records=RecordsSettings(url=database.url))
        records = open_records(settings)
        async with running_server(settings):
            imported(records, settings)
            async with collecting(settings, records) as collector:
                assert await answers(collector) == ["Accepted", "Blocked", "Invalid"]
            records.close()
            database.stop()
            records = open_records(settings)
            async with collecting(settings, records) as collector:
                assert await answers(collector) == ["Accepted", "Blocked", "Invalid"]
                with pytest.raises(InvalidStatus):
                    async with connect(f"ws://127.0.0.1:{collector.server.port}/SE-2", subprotocols=OCPP16):
                        pass
                pulses: list[dict[str, Any]] = []
                ear = await EventLog.connect(settings, name="ear")
                await ear.feed.subscribe(lambda kind, data: pulses.append(json.loads(data)))
                await eventually(lambda: pulses)
                assert pulses[0]["records_down"] is True
                assert pulses[0]["records_age_s"] < 600
                await ear.close()
            records.close()


async def test_collector_whose_sqlite_file_is_gone_knows_its_stations_and_tokens(tmp_path: Path) -> None:
    file = tmp_path / "disk" / "records.sqlite"
    options = OcppSettings(listen="127.0.0.1:0", unknown_tokens="reject", unknown_stations="reject")
    settings = settings_for(tmp_path, ocpp=options, records=RecordsSettings(url=f"sqlite:///{file}"))
    records = open_records(settings)
    async with running_server(settings):
        imported(records, settings)
        async with collecting(settings, records) as collector:
            assert await answers(collector) == ["Accepted", "Blocked", "Invalid"]
        records.close()
        file.parent.rename(tmp_path / "unmounted")
        records = open_records(settings)
        async with collecting(settings, records) as collector:
            assert await answers(collector) == ["Accepted", "Blocked", "Invalid"]
        records.close()


class Clock:
    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


class Failing:
    """Records that can be unreachable."""

    def __init__(self, inner: Records) -> None:
        self._inner = inner
        self.down = False

    def read(self) -> Any:
        if self.down:
            raise StoreUnavailableError("the records cannot be reached: test.")
        return self._inner.read()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def records(settings: Settings) -> Any:
    store = open_records(settings)
    imported(store, settings)
    yield Failing(store)
    store.close()


Make = Callable[..., Registry]


@pytest.fixture
def make(settings: Settings, records: Any) -> Make:
    def registry(clock: Clock | None = None, **ocpp: object) -> Registry:
        remembered = Remembered(remembered_file(settings))
        options = OcppSettings.model_validate({"unknown_tokens": "reject", **ocpp})
        return Registry(records, options, privacy_key(settings), remembered=remembered, clock=clock or Clock())

    return registry


def status(registry: Registry, id_tag: str, **purpose: str) -> str:
    return registry.authorize(Shown(id_tag), Purpose("SE-1", **purpose), utc_now()).status.value


@pytest.mark.parametrize(
    ("setting", "known", "blocked", "stranger"),
    [
        ("accept_known", "Accepted", "Blocked", "Unknown"),
        ("accept_all", "Accepted", "Blocked", "Accepted"),
        ("refuse", "Invalid", "Blocked", "Unknown"),
    ],
)
async def test_tokens_while_the_records_are_down(
    make: Make, records: Any, setting: str, known: str, blocked: str, stranger: str
) -> None:
    registry = make(when_records_down=setting)
    await registry.wait()
    assert [status(registry, tag) for tag in ("04A2B3C4", "LOST", "stranger")] == [
        "Accepted",
        "Blocked",
        "Unknown",
    ]
    records.down = True
    await registry.reload()
    assert [status(registry, tag) for tag in ("04A2B3C4", "LOST", "stranger")] == [known, blocked, stranger]
    assert status(registry, "04A2B3C4", stops="7") == "Accepted"  # nobody is kept from stopping
    records.down = False
    await registry.reload()
    assert status(registry, "stranger") == "Unknown"


async def test_records_that_do_not_answer_in_time_are_down(make: Make) -> None:
    clock = Clock()
    registry = make(clock)
    assert registry.records_down
    await registry.wait()
    assert (registry.records_down, registry.age_s) == (False, 0.0)
    clock.now += timedelta(minutes=2)
    assert (registry.records_down, registry.age_s) == (True, 120.0)


async def test_what_is_remembered_is_private_and_has_no_names(make: Make, settings: Settings) -> None:
    await make().wait()
    file = remembered_file(settings)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    content = file.read_bytes()
    assert not [secret for secret in SECRETS if secret in content]
    assert b"tok_" in content


async def test_file_is_written_anew_only_when_something_changed(
    make: Make, settings: Settings, records: Any
) -> None:
    clock = Clock()
    registry = make(clock)
    await registry.wait()
    file = remembered_file(settings)
    before = file.stat()
    clock.now += timedelta(seconds=15)
    await registry.reload()
    assert (file.stat().st_ino, file.stat().st_mtime > before.st_mtime) == (before.st_ino, True)
    register(records, "SE-2")
    await registry.reload()
    kept = Remembered(file).recall()
    assert kept is not None
    assert kept[0].stations.keys() == {"SE-1", "SE-2"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("content", [b"", b"{", b'{"stations": {}}', b"\xff"])
async def test_file_that_cannot_be_read_is_as_none(
    make: Make, settings: Settings, records: Any, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.registry._FIRST_S", 0.01)
    file = remembered_file(settings)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    records.down = True
    waiting = asyncio.create_task(make().wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    records.down = False
    await waiting


async def test_folder_that_cannot_be_written_turns_nobody_away(make: Make, settings: Settings) -> None:
    remembered_file(settings).parent.write_text("in the way", "utf-8")
    registry = make()
    await registry.wait()
    assert registry.authorize(Shown("04a2b3c4"), Purpose("SE-1"), utc_now()).status is AuthorizationStatus.ACCEPTED
