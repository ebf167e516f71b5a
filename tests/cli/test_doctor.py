"""`laddvakt doctor` through the program's own door, on things that are really broken."""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from websockets.asyncio.server import serve

from collector.registry import Registry
from collector.remembered import Remembered, Snapshot, remembered_file
from collector.server import StationServer
from laddvakt.cli.checks import addresses, certificates, clocks, files, log
from laddvakt.cli.checks.finding import Finding, Level, Patient
from laddvakt.cli.doctor import CHECKS, Check, examine
from laddvakt.cli.main import cli
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.stations import Station
from laddvakt.eventlog.probe import LogState, Reader
from laddvakt.settings import EventlogSettings, MqttSettings, OcppSettings, Settings, WebSettings, secret
from laddvakt.stores.ports import Credentials
from laddvakt.stores.sql.engine import RecordsState, open_records
from tests.support import servers
from tests.support.authority import Authority
from tests.support.eventlog import running_log, running_server, settings_for
from tests.support.stations import T0
from tests.support.waiting import eventually

NAMES = [check.name for check in CHECKS]


class Said(msgspec.Struct):
    level: str
    what: str
    mend: str


@dataclass
class Report:
    status: int
    text: str
    checks: dict[str, Said] = field(default_factory=dict)


def doctor(folder: Path, **environment: str) -> Report:
    """The program's words about the installation in `folder`."""
    args = ["--data", str(folder), "doctor", "--json"]
    done = CliRunner().invoke(cli, args, env={**FREE, **environment}, catch_exceptions=False)
    assert not done.stderr, done.stderr
    report = json.loads(done.stdout)
    checks = {line.pop("name"): Said(**line) for line in report["checks"]}
    assert report["ok"] == (done.exit_code == 0) == all(said.level != "fail" for said in checks.values())
    return Report(done.exit_code, done.stdout, checks)


# Any port will do, so that nothing else on this machine disturbs.
FREE = {
    "LADDVAKT_OCPP__LISTEN": "127.0.0.1:0",
    "LADDVAKT_WEB__LISTEN": "127.0.0.1:0",
    "LADDVAKT_MQTT__LISTEN": "127.0.0.1:0",
    "LADDVAKT_EVENTLOG__PARTITIONS": "2",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory whose records are made."""
    folder = tmp_path / "data"
    folder.mkdir()
    records = open_records(Settings(data_dir=folder))
    records.migrate()
    records.close()
    return folder


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port on which somebody else listens, who answers nothing."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def patient(folder: Path, **changes: object) -> Patient:
    return Patient(settings_for(folder, **changes), None, utc_now)


def state(**changes: object) -> LogState:
    good = LogState("2.15.1", 8 * 1024**2, True, 0, 8 * 1024**3, "2", None, ())
    return good._replace(**changes)


def test_before_the_first_start_nothing_fails_and_nothing_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    report = doctor(folder)
    assert report.status == 0
    assert {name: said.level for name, said in report.checks.items() if said.level != "ok"} == {
        "data directory": "warn", "records": "warn", "event log": "warn", "mqtt broker": "warn",
    }  # fmt: skip
    assert list(report.checks) == NAMES
    assert not folder.exists()


def test_all_is_well_while_everything_runs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> Report:
        async with running_log(settings_for(data)) as event_log:
            await event_log.appender.append(Entry(station_id="S", kind=EntryKind.OCPP_IN, received_at=T0, raw="x"))
            for name in log.READERS:
                reader = event_log.consume(consumer=name, positions={})
                await event_log.done(await anext(reader))
                await reader.aclose()
            return await asyncio.to_thread(doctor, data)

    report = asyncio.run(run())
    assert {name: said for name, said in report.checks.items() if said.level != "ok"} == {}
    assert "NATS 2." in report.checks["versions"].what
    assert "SQLite 3." in report.checks["versions"].what


def test_looking_leaves_no_trace(data: Path) -> None:
    before = sorted(data.rglob("*"))
    doctor(data)
    assert sorted(data.rglob("*")) == before


def test_people_see_the_mend_and_a_summary(data: Path) -> None:
    argv = [sys.executable, "-m", "laddvakt.cli", "--data", str(data), "doctor"]
    done = subprocess.run(argv, env={**FREE}, capture_output=True, text=True, check=True, timeout=60)
    assert "warn  event log        the embedded event log is not running\n" in done.stdout
    assert "-> Start `laddvakt up`." in done.stdout
    assert done.stdout.endswith("0 failed, 2 to look at.\n")


# Settings


def test_misspelt_key_is_named(data: Path) -> None:
    (data / "laddvakt.toml").write_text("[ocpp]\nlissten = '127.0.0.1:1'\n")
    report = doctor(data)
    assert report.status == 1
    assert "unknown setting ocpp.lissten" in report.checks["settings"].what
    assert str(data / "laddvakt.toml") in report.checks["settings"].what
    assert report.checks["settings"].mend


def test_the_file_that_was_read_is_named(data: Path) -> None:
    (data / "laddvakt.toml").write_text("currency = 'SEK'\n")
    assert str(data / "laddvakt.toml") in doctor(data).checks["settings"].what


def test_settings_file_with_secrets_that_others_can_read(data: Path) -> None:
    file = data / "laddvakt.toml"
    file.write_text("[web]\nsecret = 'hush hush'\n")
    file.chmod(0o644)
    said = doctor(data).checks["settings file"]
    assert (said.level, "web.secret" in said.what) == ("warn", True)
    file.chmod(0o600)
    assert doctor(data).checks["settings file"].level == "ok"


# Data directory


def test_file_in_place_of_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    said = doctor(tmp_path / "data").checks["data directory"]
    assert (said.level, "not a folder" in said.what) == ("fail", True)


def test_data_directory_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert files.data_dir(patient(tmp_path / "file" / "data")).level is Level.FAIL


@pytest.mark.parametrize(
    ("free", "bound", "level"),
    [(1024**2, 1024**2, Level.FAIL), (5 * 1024**3, 8 * 1024**3, Level.WARN), (10**13, 8 * 1024**3, Level.OK)],
)
def test_free_space_against_what_the_log_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, bound: int, level: Level
) -> None:
    def disk_usage(_: Path) -> object:
        return type("Usage", (), {"free": free})

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    assert files.free_space(patient(tmp_path, eventlog=EventlogSettings(max_bytes=bound))).level is level


def test_secret_that_others_can_read(data: Path) -> None:
    text = secret(Settings(data_dir=data), "web", "")
    (data / "secrets" / "web").chmod(0o644)
    report = doctor(data)
    said = report.checks["secrets"]
    assert (said.level, said.what) == ("fail", "web is readable by other users")
    assert f"chmod 600 {data / 'secrets' / 'web'}" in said.mend
    assert text not in report.text


def test_empty_secret(data: Path) -> None:
    secret(Settings(data_dir=data), "privacy", "")
    (data / "secrets" / "privacy").write_text("")
    assert doctor(data).checks["secrets"].what == "privacy is empty"


# Records and telemetry


def test_postgresql_that_is_down_and_up(data: Path, postgres_url: str) -> None:
    records = open_records(Settings(data_dir=data, records={"url": postgres_url}))
    report = doctor(data, LADDVAKT_RECORDS__URL=postgres_url)
    assert (report.checks["records"].level, report.checks["schema"].level) == ("ok", "warn")
    records.migrate()
    records.close()
    report = doctor(data, LADDVAKT_RECORDS__URL=postgres_url)
    assert "PostgreSQL" in report.checks["records"].what
    assert [report.checks[name].level for name in ("records", "schema", "clock")] == ["ok"] * 3
    dead = f"postgresql://laddvakt:s3cr3t-word@127.0.0.1:{servers.free_port()}/laddvakt"
    report = doctor(data, LADDVAKT_RECORDS__URL=dead)
    assert report.status == 1
    assert report.checks["records"].level == "fail"
    assert "records.url" in report.checks["records"].mend
    assert "s3cr3t-word" not in report.text


def test_records_url_that_is_not_one(data: Path) -> None:
    report = doctor(data, LADDVAKT_RECORDS__URL="mysql://laddvakt:s3cr3t-word@host/x")
    assert "mysql" in report.checks["records"].what
    assert "s3cr3t-word" not in report.text


def test_schema_of_another_version(data: Path) -> None:
    with sqlite3.connect(data / "records.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    said = doctor(data).checks["schema"]
    assert (said.level, "9999" in said.what) == ("fail", True)


def test_schema_that_is_behind(tmp_path: Path) -> None:
    subject = patient(tmp_path)
    subject.__dict__["records"] = RecordsState("SQLite 3", "0001", "0002", False, None)
    (schema,) = [line for line in examine(subject) if line.name == "schema"]
    assert (schema.level, schema.mend) == (Level.FAIL, "Run `laddvakt migrate`.")


def test_damaged_records(data: Path) -> None:
    (data / "records.sqlite").write_bytes(b"this is no database" * 100)
    assert doctor(data).checks["records"].level == "fail"


def test_influxdb_that_is_up(data: Path, influx_bucket: tuple[str, str]) -> None:
    url, bucket = influx_bucket
    report = doctor(data, LADDVAKT_TELEMETRY__URL=url, LADDVAKT_TELEMETRY__BUCKET=bucket)
    assert report.checks["telemetry"].level == "ok"
    wrong = doctor(data, LADDVAKT_TELEMETRY__URL=url, LADDVAKT_TELEMETRY__BUCKET="nowhere")
    assert wrong.checks["telemetry"].level == "fail"
    assert "bucket" in wrong.checks["telemetry"].mend


def test_influxdb_that_is_down(data: Path) -> None:
    dead = f"http://127.0.0.1:{servers.free_port()}"
    report = doctor(data, LADDVAKT_TELEMETRY__URL=dead, LADDVAKT_TELEMETRY__TOKEN="laddvakt:s3cr3t-word")
    assert (report.status, report.checks["telemetry"].level) == (1, "fail")
    assert dead in report.checks["telemetry"].what
    assert "s3cr3t-word" not in report.text


# Event log


def test_external_log_that_is_down(data: Path) -> None:
    url = f"nats://laddvakt:s3cr3t-word@127.0.0.1:{servers.free_port()}"
    report = doctor(data, LADDVAKT_EVENTLOG__URL=url, LADDVAKT_MQTT__URL="off")
    assert (report.status, report.checks["event log"].level) == (1, "fail")
    assert "eventlog.url" in report.checks["event log"].mend
    assert "s3cr3t-word" not in report.text


@pytest.mark.parametrize("silent", [True, False])
def test_what_answers_is_no_event_log(
    tmp_path: Path, busy_port: int, influx_server: servers.Influx, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laddvakt.eventlog.probe.PATIENCE_S", 1.0)
    port = busy_port if silent else influx_server.port
    subject = patient(tmp_path, eventlog=EventlogSettings(url=f"nats://127.0.0.1:{port}"))
    finding = log.event_log(subject)
    assert (finding.level, f"127.0.0.1:{port}" in finding.what) == (Level.FAIL, True)


def test_embedded_log_that_is_down_under_a_running_up(data: Path) -> None:
    (data / "run").mkdir()
    with (data / "run" / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert doctor(data).checks["event log"].level == "fail"
    assert doctor(data).checks["event log"].level == "warn"


async def test_log_with_other_partitions(data: Path) -> None:
    async with running_log(settings_for(data)):
        report = await asyncio.to_thread(doctor, data, LADDVAKT_EVENTLOG__PARTITIONS="5")
    assert report.checks["event log"].what == "the log was made with 2 partitions, not 5"


async def test_log_that_nobody_has_used(data: Path) -> None:
    async with running_server(settings_for(data)):
        report = await asyncio.to_thread(doctor, data)
    assert report.checks["event log"].level == "warn"
    assert report.checks["mqtt broker"].level == "ok"


async def test_full_log(data: Path) -> None:
    small = EventlogSettings(partitions=2, max_bytes=1024**2)
    async with running_log(settings_for(data, eventlog=small)) as event_log:
        for _ in range(12):
            await event_log.appender.append(
                Entry(station_id="S", kind=EntryKind.OCPP_IN, received_at=T0, raw="x" * 75_000)
            )
        report = await asyncio.to_thread(doctor, data, LADDVAKT_EVENTLOG__MAX_BYTES=str(1024**2))
    assert report.checks["log size"].level == "warn"
    assert "of 1.0 MiB used" in report.checks["log size"].what


@pytest.mark.parametrize(("used", "level"), [(0, Level.OK), (86, Level.WARN), (99, Level.FAIL)])
def test_log_size_against_its_bound(tmp_path: Path, used: int, level: Level) -> None:
    subject = patient(tmp_path)
    subject.__dict__["log"] = state(bytes=used, max_bytes=100)
    assert log.log_size(subject).level is level


@pytest.mark.parametrize(("late_s", "level"), [(5, Level.OK), (100, Level.WARN), (3600, Level.FAIL)])
def test_reader_that_is_behind(tmp_path: Path, late_s: float, level: Level) -> None:
    subject = Patient(settings_for(tmp_path), None, lambda: T0)
    late = T0 - timedelta(seconds=late_s)
    readers = [Reader(name, 7 if name == "detector" else 0, late) for name in log.READERS]
    subject.__dict__["log"] = state(readers=tuple(readers))
    finding = log.log_readers(subject)
    assert (finding.level, finding.what) == (level, f"detector is {late_s:.0f} s behind, 7 records")


async def test_how_far_a_reader_is_behind_is_told_by_the_log(data: Path) -> None:
    async with running_log(settings_for(data)) as event_log:
        entry = Entry(station_id="S", kind=EntryKind.OCPP_IN, received_at=T0, raw="x")
        for _ in range(3):
            await event_log.appender.append(entry)
        reader = event_log.consume(consumer="recorder", positions={})
        group = await anext(reader)
        await event_log.done(group[:1])

        async def behind_by_two() -> list[Any]:
            """Nobody confirms an acknowledgement: it arrives when it arrives."""
            seen = await asyncio.to_thread(lambda: patient(data).log)
            assert isinstance(seen, LogState)
            return [reader for reader in seen.readers if reader.waiting == 2]

        behind = await eventually(behind_by_two)
        await reader.aclose()
    assert len(behind) == 1
    assert behind[0].oldest is not None
    assert abs((utc_now() - behind[0].oldest).total_seconds()) < 30


@pytest.mark.parametrize(("payload", "level"), [(500, Level.FAIL), (5000, Level.WARN), (10_000, Level.OK)])
def test_max_payload_against_the_longest_frame(tmp_path: Path, payload: int, level: Level) -> None:
    subject = patient(tmp_path, ocpp=OcppSettings(max_frame_bytes=1024))
    subject.__dict__["log"] = state(max_payload=payload)
    assert log.max_payload(subject).level is level


# Addresses and broker


@pytest.mark.parametrize("setting", ["ocpp", "web", "mqtt"])
def test_port_that_somebody_else_uses(data: Path, busy_port: int, setting: str) -> None:
    report = doctor(data, **{f"LADDVAKT_{setting.upper()}__LISTEN": f"127.0.0.1:{busy_port}"})
    said = report.checks[f"{setting}.listen"]
    assert (report.status, said.level) == (1, "fail")
    assert str(busy_port) in said.what
    assert f"{setting}.listen" in said.mend


@asynccontextmanager
async def stations_served(folder: Path, **ocpp: Any) -> AsyncIterator[int]:
    settings = OcppSettings(listen="127.0.0.1:0", **ocpp)
    async with running_log(settings_for(folder)) as event_log:
        records = open_records(Settings(data_dir=folder))
        server = StationServer(settings, Registry(records, settings, "key"), event_log.appender, utc_now)
        await server.start()
        yield server.port
        await server.stop()
        records.close()


async def test_port_that_our_own_collector_uses(data: Path) -> None:
    async with stations_served(data) as port:
        subject = patient(data, ocpp=OcppSettings(listen=f"127.0.0.1:{port}"))
        finding = await asyncio.to_thread(addresses.ocpp_port, subject)
    assert finding == Finding(Level.OK, f"127.0.0.1:{port} is served by Laddvakt")


async def test_websocket_server_of_somebody_else_is_not_ours(data: Path) -> None:
    async with serve(lambda link: link.wait_closed(), "127.0.0.1", 0) as other:
        port = next(iter(other.sockets)).getsockname()[1]
        subject = patient(data, ocpp=OcppSettings(listen=f"127.0.0.1:{port}"))
        finding = await asyncio.to_thread(addresses.ocpp_port, subject)
    assert finding.level is Level.FAIL


async def test_port_that_our_own_broker_uses(data: Path) -> None:
    async with running_server(settings_for(data)) as server:
        address = f"127.0.0.1:{server.ports.mqtt_port}"
        report = await asyncio.to_thread(doctor, data, LADDVAKT_MQTT__LISTEN=address)
    assert report.checks["mqtt.listen"].what == f"{address} is served by Laddvakt"


@pytest.mark.parametrize("listen", ["9000", "127.0.0.1:99999", "256.1.1.1:9000", "203.0.113.1:9000"])
def test_address_that_cannot_be_listened_on(tmp_path: Path, listen: str) -> None:
    (line,) = [
        line for line in examine(patient(tmp_path, web=WebSettings(listen=listen))) if line.name == "web.listen"
    ]
    assert line.level is Level.FAIL
    assert line.mend


def test_one_port_for_two_services(tmp_path: Path) -> None:
    subject = patient(tmp_path, web=WebSettings(listen="127.0.0.1:9000"))
    assert addresses.distinct(subject).what == "ocpp.listen and web.listen are both on port 9000"


def test_open_stations_beyond_this_machine(tmp_path: Path) -> None:
    finding = addresses.ocpp_port(patient(tmp_path, ocpp=OcppSettings(listen="0.0.0.0:0")))
    assert (finding.level, "without passwords" in finding.what) == (Level.FAIL, True)


@pytest.mark.parametrize(
    ("lives_days", "level"), [(30, Level.OK), (5, Level.WARN), (-1, Level.FAIL)], ids=["good", "soon", "expired"]
)
def test_certificate_for_stations_against_the_time_that_is_left(
    tmp_path: Path, lives_days: int, level: Level
) -> None:
    files = Authority(tmp_path).issue("central", lives=timedelta(days=lives_days))
    ocpp = OcppSettings(security_profile=2, tls_cert_file=str(files.cert), tls_key_file=str(files.key))
    finding = certificates.server_certificate(patient(tmp_path, ocpp=ocpp))
    assert finding.level is level
    assert (level is Level.OK) or finding.mend


def test_certificate_that_is_missing(tmp_path: Path) -> None:
    finding = certificates.server_certificate(patient(tmp_path, ocpp=OcppSettings(security_profile=2)))
    assert (finding.level, "tls_cert_file" in finding.what) == (Level.FAIL, True)


def test_revocation_list_that_ends_soon(tmp_path: Path) -> None:
    ocpp = OcppSettings(tls_crl_file=str(Authority(tmp_path).revoke()))
    finding = certificates.revocation_list(patient(tmp_path, ocpp=ocpp))
    assert finding.level is Level.WARN
    assert certificates.revocation_list(patient(tmp_path)).level is Level.OK


def test_station_certificates_that_end_soon(data: Path) -> None:
    assert certificates.station_certificates(patient(data)).what == "no station has shown one"
    with closing(open_records(Settings(data_dir=data))) as records, records.begin() as work:
        for name, days in (("SE-1", 5), ("SE-2", 90)):
            work.stations.save([Station(station_id=name, registered=True)])
            until = utc_now() + timedelta(days=days)
            work.stations.set_credentials(name, Credentials(certificate_expires_at=until))
    finding = certificates.station_certificates(patient(data))
    assert (finding.level, "1 stations, SE-1" in finding.what) == (Level.WARN, True)


def test_private_keys_that_others_can_read(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("central")
    subject = patient(tmp_path, ocpp=OcppSettings(tls_cert_file=str(files.cert), tls_key_file=str(files.key)))
    files.key.chmod(0o600)
    assert certificates.private_keys(subject).level is Level.OK
    files.key.chmod(0o640)
    assert certificates.private_keys(subject).level is Level.WARN


async def test_port_where_our_own_collector_speaks_tls(data: Path) -> None:
    files = Authority(data).issue("central", lives=timedelta(days=90))
    tls = {"security_profile": 2, "tls_cert_file": str(files.cert), "tls_key_file": str(files.key)}
    async with stations_served(data, **tls) as port:
        ocpp = OcppSettings(listen=f"127.0.0.1:{port}", **tls)
        finding = await asyncio.to_thread(addresses.ocpp_port, patient(data, ocpp=ocpp))
        assert (finding.level, "served by Laddvakt" in finding.what) == (Level.OK, True)


def test_mosquitto_that_is_up_and_stopped(data: Path, mosquitto_server: servers.Mosquitto) -> None:
    subject = patient(data, mqtt=MqttSettings(url=mosquitto_server.url))
    assert addresses.mqtt_broker(subject) == Finding(Level.OK, "the broker answers")
    mosquitto_server.stop()
    report = doctor(data, LADDVAKT_MQTT__URL=mosquitto_server.url)
    assert (report.status, report.checks["mqtt broker"].level) == (1, "fail")
    assert "mqtt.url" in report.checks["mqtt broker"].mend


def test_broker_that_refuses_our_password(data: Path) -> None:
    with servers.mosquitto(password="the right one") as broker:
        wrong = f"mqtt://laddvakt:s3cr3t-word@127.0.0.1:{broker.port}"
        report = doctor(data, LADDVAKT_MQTT__URL=wrong)
    assert "refuses us" in report.checks["mqtt broker"].what
    assert "s3cr3t-word" not in report.text


def test_broker_that_says_nothing(tmp_path: Path, busy_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.mqtt.probe.PATIENCE_S", 0.2)
    subject = patient(tmp_path, mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{busy_port}"))
    assert "no answer" in addresses.mqtt_broker(subject).what


@pytest.mark.parametrize("url", ["http://host", "mqtt://host:port", "mqtt://"])
def test_broker_address_that_is_not_one(tmp_path: Path, url: str) -> None:
    finding = addresses.mqtt_broker(patient(tmp_path, mqtt=MqttSettings(url=url)))
    assert (finding.level, finding.what) == (Level.FAIL, "mqtt.url is not an MQTT address.")


def test_mapping_files_that_are_good_and_bad(tmp_path: Path) -> None:
    assert addresses.mqtt_mappings(patient(tmp_path)).what == "none: native topics only"
    path = tmp_path / "mappings.toml"
    subject = patient(tmp_path, mqtt=MqttSettings(mappings=(path,)))
    assert "cannot read" in addresses.mqtt_mappings(subject).what
    path.write_text('[[mappings]]\nuse = "tasmota"\ndevices = { a = "SE-1" }\n', "utf-8")
    assert addresses.mqtt_mappings(subject) == Finding(Level.OK, "1 topic patterns in 1 files")
    path.write_text('[[mappings]]\nuse = "tasmotta"\n', "utf-8")
    assert addresses.mqtt_mappings(subject).level is Level.FAIL


def test_embedded_broker_without_the_embedded_log(tmp_path: Path) -> None:
    subject = patient(tmp_path, eventlog=EventlogSettings(url="nats://127.0.0.1:1"))
    assert addresses.mqtt_broker(subject).level is Level.FAIL
    assert addresses.mqtt_port(subject).level is Level.OK


# Clocks, and the doctor himself


def test_clock_that_was_never_set(tmp_path: Path) -> None:
    subject = Patient(settings_for(tmp_path), None, lambda: T0.replace(year=1970))
    assert clocks.clock(subject).level is Level.FAIL


@pytest.mark.parametrize(("apart_s", "level"), [(1, Level.OK), (-10, Level.WARN), (400, Level.FAIL)])
def test_clocks_that_differ(tmp_path: Path, apart_s: float, level: Level) -> None:
    subject = Patient(settings_for(tmp_path), None, lambda: T0)
    theirs = T0 + timedelta(seconds=apart_s)
    subject.__dict__["log_seen"] = (state(server_time=theirs), T0)
    subject.__dict__["records_seen"] = (RecordsState("PostgreSQL 15", "1", "1", False, theirs), T0)
    assert clocks.clock(subject).level is level


async def test_the_log_tells_its_time(data: Path) -> None:
    async with running_log(settings_for(data)):
        subject = patient(data)
        await asyncio.to_thread(lambda: subject.log)
    assert abs(clocks._differences(subject)["the event log"]) < 2  # what `clock` judges


def test_check_that_breaks_is_a_finding_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_: Patient) -> Finding:
        raise RuntimeError("at nats://someone:s3cr3t@host")

    rows: tuple[Check, ...] = (Check("bad", explode), Check("good", clocks.versions))
    monkeypatch.setattr("laddvakt.cli.doctor.CHECKS", rows)
    bad, good = examine(patient(tmp_path))
    assert (bad.level, bad.what) == (Level.FAIL, "this check broke: RuntimeError: at nats://***@host")
    assert good.level is Level.OK


def test_secrets_are_taken_out_of_every_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(told: Patient) -> Finding:
        return Finding(Level.WARN, told.settings.telemetry.token, f"use {told.settings.privacy.key}")

    monkeypatch.setattr("laddvakt.cli.doctor.CHECKS", (Check("chatty", tell),))
    subject = patient(tmp_path, telemetry={"token": "tok-tok"}, privacy={"key": "key-key"})
    (line,) = examine(subject)
    assert (line.what, line.mend) == ("***", "use ***")


def test_every_check_has_a_name_of_its_own() -> None:
    looks: list[Callable[[Patient], Finding]] = [check.look for check in CHECKS]
    assert len(set(NAMES)) == len(NAMES) == len(set(looks))


def test_authorisation_says_how_old_the_last_reading_is(data: Path) -> None:
    assert "no collector" in doctor(data).checks["authorisation"].what
    settings = Settings(data_dir=data)
    kept = Remembered(remembered_file(settings))
    kept.keep(Snapshot(stations={}, tokens={}), utc_now() - timedelta(seconds=300))
    said = doctor(data).checks["authorisation"]
    assert said.level == "ok"
    assert "300 s ago" in said.what or "301 s ago" in said.what
    settings.run_dir.mkdir()
    with (settings.run_dir / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = doctor(data).checks["authorisation"]
    assert said.level == "warn"
    assert "when_records_down" in said.mend
