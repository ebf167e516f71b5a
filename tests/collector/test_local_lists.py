"""Stations' local lists are kept in step: a real collector, real sockets, stations of each temper."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from collector import local_lists
from collector.service import Collector
from laddvakt.clock import utc_now
from laddvakt.domain.errors import SettingsError
from laddvakt.eventlog.client import EventLog
from laddvakt.network.apply import apply_network
from laddvakt.network.model import Network
from laddvakt.settings import OcppSettings, Settings, privacy_key
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.collecting import logged
from tests.support.eventlog import running_server, settings_for
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(local_lists, "LOOK_S", 0.1)
    monkeypatch.setattr(local_lists, "_PAUSE_S", 0.0)
    yield


class Station:
    """Answers calls about its local list; everything else is NotSupported."""

    def __init__(self, protocol: str = "ocpp1.6", *, per_message: int = 2, status: str = "Accepted") -> None:
        self.protocol = protocol
        self.per_message = per_message
        self.status = status
        self.version = 0
        self.entries: dict[str, str] = {}
        self.calls: list[str] = []

    def answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        match action:
            case "GetLocalListVersion":
                return {"listVersion" if self.protocol == "ocpp1.6" else "versionNumber": self.version}
            case "GetConfiguration":
                key = {"key": "SendLocalListMaxLength", "readonly": True, "value": str(self.per_message)}
                return {"configurationKey": [key]}
            case "GetVariables":
                asked = payload["getVariableData"]
                return {"getVariableResult": [{"attributeStatus": "UnknownVariable", **one} for one in asked]}
            case "SendLocalList":
                return {"status": self._take(payload)}
        return None

    def _take(self, payload: dict[str, Any]) -> str:
        version = payload.get("listVersion", payload.get("versionNumber"))
        if self.status != "Accepted":
            return self.status
        if payload["updateType"] == "Full":
            self.entries = {}
        elif version <= self.version:
            return "VersionMismatch"
        for entry in payload.get("localAuthorizationList", []):
            id_tag = entry.get("idTag") or entry["idToken"]["idToken"]
            self.entries[id_tag] = (entry.get("idTagInfo") or entry["idTokenInfo"])["status"]
        self.version = version
        self.calls.append(payload["updateType"])
        return "Accepted"

    async def run(self, port: int, station_id: str = "SE-1") -> None:
        url = f"ws://127.0.0.1:{port}/{station_id}"
        async with connect(url, subprotocols=[Subprotocol(self.protocol)]) as link:
            with suppress(ConnectionClosed):
                async for text in link:
                    frame = json.loads(text)
                    if frame[0] == 2:
                        self.calls.append(frame[2])
                        reply = self.answer(frame[2], frame[3])
                        error = [4, frame[1], "NotSupported", "", {}]
                        await link.send(json.dumps(error if reply is None else [3, frame[1], reply]))


class Fleet:
    """A collector, its records, and stations that come to it."""

    def __init__(self, settings: Settings, records: Records, collector: Collector) -> None:
        self.settings = settings
        self.records = records
        self.collector = collector

    def imported(self, *id_tags: str, **more: Any) -> None:
        tokens = [{"id_tag": id_tag, **more} for id_tag in id_tags]
        network = Network.model_validate({"stations": [{"id": "SE-1"}], "tokens": tokens})
        key = privacy_key(self.settings)
        apply_network(network, self.records, privacy_key=key, now=utc_now(), local_lists=True)

    def registered(self, *station_ids: str) -> None:
        network = Network.model_validate({"stations": [{"id": name} for name in station_ids]})
        key = privacy_key(self.settings)
        apply_network(network, self.records, privacy_key=key, now=utc_now(), local_lists=True)

    @asynccontextmanager
    async def station(self, station: Station, station_id: str = "SE-1") -> AsyncIterator[Station]:
        task = asyncio.create_task(station.run(self.collector.server.port, station_id))
        try:
            yield station
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def totals(self) -> dict[str, int]:
        lists = self.collector.lists
        assert lists is not None
        return {name.removeprefix("local_lists_"): count for name, count in lists.totals().items() if count}


@asynccontextmanager
async def fleet(folder: Path, **ocpp: Any) -> AsyncIterator[Fleet]:
    options = OcppSettings(listen="127.0.0.1:0", local_list=True, **ocpp)
    settings = settings_for(folder, ocpp=options)
    records = open_records(settings)
    records.migrate()
    async with running_server(settings):
        log = await EventLog.connect(settings, name="collector")
        collector = Collector(settings, records, log, utc_now)
        it = Fleet(settings, records, collector)
        it.imported("AAAA1", "BBBB2", "CCCC3")
        task = asyncio.create_task(collector.run())

        def serves() -> bool:
            with suppress(Exception):
                return bool(collector.server.port)
            return False

        try:
            await eventually(serves)
            yield it
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await log.close()
            records.close()


ALL = {"AAAA1": "Accepted", "BBBB2": "Accepted", "CCCC3": "Accepted"}


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_station_gets_the_list_and_then_changes_alone(tmp_path: Path, protocol: str) -> None:
    async with fleet(tmp_path) as it, it.station(Station(protocol)) as station:
        await eventually(lambda: it.totals == {"in_step": 1})
        assert station.entries == ALL
        station.calls.clear()
        it.imported("BBBB2", status="Blocked")
        await eventually(lambda: station.entries == {**ALL, "BBBB2": "Blocked"})
        await eventually(lambda: it.totals == {"in_step": 1})
        assert station.calls.count("Differential") == 1
        assert "Full" not in station.calls


async def test_list_is_split_as_the_station_wants_it(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it, it.station(Station(per_message=1)) as station:
        await eventually(lambda: it.totals == {"in_step": 1})
        assert station.entries == ALL
        assert [call for call in station.calls if call in ("Full", "Differential")] == [
            "Full",
            *["Differential"] * 2,
        ]


async def test_station_in_step_is_asked_for_its_version_only(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        station = Station()
        async with it.station(station):
            await eventually(lambda: it.totals == {"in_step": 1})
        station.calls.clear()
        async with it.station(station):
            await eventually(lambda: station.calls)
            await eventually(lambda: it.totals == {"in_step": 1})
        assert station.calls == ["GetLocalListVersion"]


class Forgetful(Station):
    """Says VersionMismatch to each change: its list is of somebody else, in its opinion."""

    def _take(self, payload: dict[str, Any]) -> str:
        return "VersionMismatch" if payload["updateType"] == "Differential" else super()._take(payload)


async def test_station_that_misses_a_version_gets_the_whole_list_again(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it, it.station(Forgetful(per_message=10)) as station:
        await eventually(lambda: it.totals == {"in_step": 1})
        it.imported("DDDD4")
        await eventually(lambda: station.entries == {**ALL, "DDDD4": "Accepted"})
        await eventually(lambda: it.totals == {"in_step": 1})
        assert station.calls.count("Full") == 2


class Mute(Station):
    def answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        return None


class Without(Station):
    def answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        return {"listVersion": -1} if action == "GetLocalListVersion" else None


@pytest.mark.parametrize(
    ("station", "step"),
    [
        (Mute(), "without"),
        (Without(), "without"),
        (Station(status="NotSupported"), "without"),
        (Station(status="Failed"), "refused"),
    ],
)
async def test_station_without_lists_is_left_alone(tmp_path: Path, station: Station, step: str) -> None:
    async with fleet(tmp_path) as it, it.station(station):
        await eventually(lambda: it.totals == {step: 1})
        asked = len(station.calls)
        await asyncio.sleep(0.3)  # three more looks
        assert len(station.calls) == asked


async def test_station_that_nobody_registered_gets_no_list(tmp_path: Path) -> None:
    async with fleet(tmp_path, unknown_stations="accept") as it:
        async with it.station(Station(), "SE-9") as stranger, it.station(Station()):
            await eventually(lambda: it.totals == {"in_step": 1})
        assert stranger.calls == []


async def test_change_does_not_wait_for_the_whole_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_lists, "_ROUND", 1)
    monkeypatch.setattr(local_lists, "LOOK_S", 0.5)
    async with fleet(tmp_path) as it:
        names = [f"SE-{number}" for number in range(1, 6)]
        it.registered(*names)
        async with contextlib.AsyncExitStack() as stack:
            stations = [await stack.enter_async_context(it.station(Station(), name)) for name in names]
            await eventually(lambda: it.totals.get("in_step") == 5)
            it.imported("BBBB2", status="Blocked")
            await eventually(lambda: all(station.entries["BBBB2"] == "Blocked" for station in stations))


async def test_log_holds_no_list_of_drivers(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it, it.station(Station(per_message=10)):
        await eventually(lambda: it.totals == {"in_step": 1})
        log = await EventLog.connect(it.settings, name="test")
        entries = await logged(log, lambda found: any("SendLocalList" in entry.raw for entry in found))
        await log.close()
    said = "".join(entry.raw for entry in entries) + repr([entry.facts for entry in entries])
    assert "••••" in said
    assert not [id_tag for id_tag in ALL if id_tag in said]


async def test_lists_are_for_stations_that_prove_who_they_are(tmp_path: Path) -> None:
    options = OcppSettings(listen="127.0.0.1:0", local_list=True, allow_open=True)
    settings = settings_for(tmp_path, ocpp=options)
    async with running_server(settings):
        log = await EventLog.connect(settings, name="collector")
        with pytest.raises(SettingsError, match="whoever names a station"):
            await Collector(settings, open_records(settings), log, utc_now).start()
        await log.close()
