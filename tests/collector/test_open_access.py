"""Stations without passwords are served on this machine alone, unless an operator says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.registry import Registry
from collector.server import StationServer
from laddvakt.clock import utc_now
from laddvakt.domain.errors import SettingsError
from laddvakt.settings import OcppSettings, RecordsSettings, Settings
from laddvakt.stores.sql.engine import open_records
from tests.support.eventlog import running_log, settings_for


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        (OcppSettings(listen="127.0.0.1:0"), True),
        (OcppSettings(listen="0.0.0.0:0"), False),
        (OcppSettings(listen="0.0.0.0:0", allow_open=True), True),
        (OcppSettings(listen="0.0.0.0:0", security_profile=1), True),
    ],
)
async def test_open_stations_are_served_on_loopback_only(
    tmp_path: Path, settings: OcppSettings, served: bool
) -> None:
    records = open_records(Settings(records=RecordsSettings(url="sqlite://"), data_dir=tmp_path))
    async with running_log(settings_for(tmp_path)) as log:
        server = StationServer(settings, Registry(records, settings, "key"), log.appender, utc_now)
        if served:
            await server.start()
            await server.stop()
            return
        with pytest.raises(SettingsError, match="without passwords"):
            await server.start()
    records.close()
