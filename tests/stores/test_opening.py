"""Which stores the settings name."""

from __future__ import annotations

from pathlib import Path

import pytest

from laddvakt.domain.errors import SettingsError
from laddvakt.settings import RecordsSettings, Settings, TelemetrySettings
from laddvakt.stores.sql import open_records
from laddvakt.stores.telemetry import EmbeddedTelemetry, open_telemetry
from laddvakt.stores.telemetry.influx import InfluxTelemetry


def test_open_telemetry_embedded_is_the_default(tmp_path: Path) -> None:
    assert isinstance(open_telemetry(Settings(data_dir=tmp_path)), EmbeddedTelemetry)


def test_open_telemetry_influx(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, telemetry=TelemetrySettings(url="http://127.0.0.1:8086"))
    store = open_telemetry(settings)
    assert isinstance(store, InfluxTelemetry)
    store.close()


@pytest.mark.parametrize("url", ["", "embedded", "influx://x", "localhost:8086", "http://", "file:///x"])
def test_open_telemetry_of_an_unknown_url_says_so(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"telemetry\.url"):
        open_telemetry(Settings(data_dir=tmp_path, telemetry=TelemetrySettings(url=url)))


def test_open_records_makes_the_folder_and_its_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "data", currency="SEK")
    records = open_records(settings)
    records.migrate()
    with records.read() as work:
        assert work.stations.all() == []
    records.close()
    assert (settings.data_dir / "records.sqlite").exists()
    assert (settings.data_dir / "secrets" / "privacy").exists()


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql+asyncpg://x/y", "not a url"])
def test_open_records_of_an_unknown_url_says_so(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"records\.url"):
        open_records(Settings(data_dir=tmp_path, records=RecordsSettings(url=url)))
