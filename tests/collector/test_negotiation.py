"""Which OCPP version a connection speaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from collector.registry import Registry
from collector.server import StationServer
from laddvakt.clock import utc_now
from laddvakt.settings import OcppSettings, RecordsSettings, Settings
from laddvakt.stores.sql.engine import open_records
from tests.support.eventlog import running_log, settings_for


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[StationServer]:
    records = open_records(Settings(records=RecordsSettings(url="sqlite://"), data_dir=tmp_path))
    records.migrate()
    settings = OcppSettings(listen="127.0.0.1:0", unknown_stations="accept")
    async with running_log(settings_for(tmp_path)) as log:
        registry = Registry(records, settings, "key")
        registry.load()
        served = StationServer(settings, registry, log.appender, utc_now)
        await served.start()
        yield served
        await served.stop()
    records.close()


async def test_station_gets_the_first_version_that_it_offers_and_we_speak(server: StationServer) -> None:
    boot_16 = {"chargePointVendor": "Acme", "chargePointModel": "One"}
    boot_2x = {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "One"}}
    for offered, chosen, boot in (
        (["ocpp2.1", "ocpp2.0.1", "ocpp1.6"], "ocpp2.1", boot_2x),
        (["ocpp2.0.1", "ocpp1.6"], "ocpp2.0.1", boot_2x),
        (["ocpp1.6", "ocpp2.0.1"], "ocpp1.6", boot_16),
        (["ocpp1.2", "ocpp2.0", "ocpp2.0.1"], "ocpp2.0.1", boot_2x),
    ):
        names = [Subprotocol(name) for name in offered]
        async with connect(f"ws://127.0.0.1:{server.port}/SE-1", subprotocols=names, compression=None) as socket:
            assert socket.subprotocol == chosen
            await socket.send(json.dumps([2, "1", "BootNotification", boot]))
            kind, _, reply = json.loads(await socket.recv())
            assert (kind, reply["status"]) == (3, "Accepted")


async def test_station_without_a_common_version_is_told_which_there_are(server: StationServer) -> None:
    url = f"ws://127.0.0.1:{server.port}/SE-1"
    async with connect(url, subprotocols=[Subprotocol("ocpp1.5")], compression=None) as socket:
        with pytest.raises(ConnectionClosed, match=r"ocpp2\.1, ocpp2\.0\.1, ocpp1\.6"):
            await socket.recv()
