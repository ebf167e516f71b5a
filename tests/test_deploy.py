"""The files for containers and servers: read, resolved, and where the program is at hand, run."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import paho.mqtt.client as mqtt
import pytest
import yaml

from laddvakt.cli.main import COMMANDS
from laddvakt.eventlog.server import server_binary
from laddvakt.settings import Settings, load_settings
from laddvakt.stores.ports import Point
from laddvakt.stores.telemetry.influx import InfluxTelemetry
from tests.support.servers import Program, find_program, free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[1]
OWN = ("migrate", "collector", "recorder", "detector", "dashboard")
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[?-])(?P<rest>[^}]*))?\}")


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return found


def _resolve(text: str) -> str:
    """As Compose does, each required variable having its own name as its value."""

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if match["kind"] == "-":
            return match["rest"]
        return f"https://{name.lower()}.example.org" if name.endswith("_URL") else name

    return VARIABLE.sub(value, text).replace("$$", "$")


def _settings(service: str) -> Settings:
    environment = _compose()["services"][service]["environment"]
    return load_settings(environ={name: _resolve(str(value)) for name, value in environment.items()})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("service", OWN)
def test_each_variable_is_a_real_setting(service: str) -> None:
    environment = _compose()["services"][service]["environment"]
    assert all(name.startswith("LADDVAKT_") for name in environment)
    settings = _settings(service)
    assert settings.eventlog.url == "nats://laddvakt:NATS_PASSWORD@nats:4222"
    assert settings.ocpp.security_profile == 1


def test_services_share_one_environment_so_that_keys_agree() -> None:
    assert len({str(_settings(service)) for service in OWN}) == 1


@pytest.mark.parametrize("service", OWN)
def test_each_command_exists(service: str) -> None:
    assert _compose()["services"][service]["command"] == [service]
    assert service in COMMANDS


def test_no_secret_has_a_default() -> None:
    for text in _texts(_compose()):
        for match in VARIABLE.finditer(text):
            if re.search("PASSWORD|SECRET|TOKEN|KEY", match["name"]):
                assert match["kind"] == "?", match[0]


def test_the_example_of_secrets_names_all_of_them() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    required = {m["name"] for text in _texts(_compose()) for m in VARIABLE.finditer(text) if m["kind"] == "?"}
    assert required == {name for name, value in given.items() if not value}


def test_ports_are_bound_to_loopback() -> None:
    services = _compose()["services"].values()
    ports = [port for service in services for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_is_mounted_and_waited_for_is_there() -> None:
    compose = _compose()
    for name, service in compose["services"].items():
        for waited, how in service.get("depends_on", {}).items():
            other = compose["services"][waited]
            assert how["condition"] != "service_healthy" or "healthcheck" in other, (name, waited)
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in compose["volumes"], mount


def test_the_image_is_built_from_what_the_context_holds() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert allowed == packages | {"LICENSE", "README.md", "pyproject.toml", "requirements/run.lock"}


def test_nats_takes_its_configuration() -> None:
    command = [str(server_binary()), "-c", "deploy/nats.conf", "-t"]
    environment = {**os.environ, "NATS_PASSWORD": "secret"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    text = (ROOT / "deploy/nginx.conf").read_text("utf-8")
    text = re.sub(r" *ssl_certificate.*\n", "", text)
    numbers = iter(range(100))
    text = re.sub(r"listen .*;", lambda _: f"listen unix:{tmp_path}/{next(numbers)}.sock;", text)
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off;\n{text}\n}}"
    (tmp_path / "nginx.conf").write_text(whole)
    done = subprocess.run(
        [find_program("nginx"), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_unit_starts_a_command_that_exists() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read_string((ROOT / "deploy/laddvakt.service").read_text("utf-8"))
    program, command = unit["Service"]["ExecStart"].split()
    assert program.endswith("/.venv/bin/laddvakt")
    assert command in COMMANDS


class _Client:
    """A device, or the collector, at the broker."""

    def __init__(self, port: int, user: str) -> None:
        self.granted: list[bool] = []
        self.heard: list[str] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(user, user)
        self._client.on_subscribe = lambda _c, _u, _m, codes, _p: self.granted.append(not codes[0].is_failure)
        self._client.on_message = lambda _c, _u, message: self.heard.append(message.topic)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(self._client.is_connected, what=f"{user} at the broker")

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, 1)
        until(lambda: self.granted, what="SUBACK")

    def publish(self, topic: str) -> None:
        self._client.publish(topic, "{}", 1).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_devices_may_only_speak_and_the_collector_only_listens(tmp_path: Path) -> None:
    port = free_port()
    for path in ("mosquitto.conf", "access"):
        text = (ROOT / "deploy/mosquitto" / path).read_text("utf-8")
        text = text.replace("/mosquitto/data", str(tmp_path)).replace("/mosquitto/config", str(tmp_path))
        text = text.replace("listener 1883", f"listener {port} 127.0.0.1\nuser root")
        (tmp_path / path).write_text(text)
    create = "-c"
    for user in ("laddvakt", "device"):
        command = [
            find_program("mosquitto_passwd"),
            *create.split(),
            "-b",
            str(tmp_path / "passwords"),
            user,
            user,
        ]
        subprocess.run(command, check=True, capture_output=True)
        create = ""
    broker = Program(tmp_path, [find_program("mosquitto"), "-c", str(tmp_path / "mosquitto.conf")])
    broker.start()
    try:
        collector = until(lambda: _try(port, "laddvakt"), what="Mosquitto")
        device = until(lambda: _try(port, "device"), what="Mosquitto")
        collector.subscribe("laddvakt/#")
        device.publish("laddvakt/SE-1/telemetry")
        until(lambda: collector.heard == ["laddvakt/SE-1/telemetry"], what="the device's message")
        device.subscribe("laddvakt/#")
        device.publish("laddvakt/SE-2/telemetry")
        collector.publish("laddvakt/SE-3/telemetry")
        device.publish("laddvakt/SE-4/telemetry")
        until(lambda: "laddvakt/SE-4/telemetry" in collector.heard, what="the last message")
        assert collector.heard == [f"laddvakt/SE-{number}/telemetry" for number in (1, 2, 4)]
        assert device.heard == []
        collector.close()
        device.close()
    finally:
        broker.kill()


def _try(port: int, user: str) -> _Client | None:
    try:
        return _Client(port, user)
    except ConnectionError:
        return None


def _panels() -> list[Any]:
    board = json.loads((ROOT / "grafana/dashboards/stations-and-power.json").read_text("utf-8"))
    return [pytest.param(panel, id=f"{panel['id']}-{panel['title']}") for panel in board["panels"]]


@pytest.fixture(scope="module")
def measured(influx_server: Any) -> Iterator[tuple[str, str, datetime]]:
    """An InfluxDB with an hour of two stations, as the recorder writes it."""
    bucket, start = influx_server.fresh(), datetime(2026, 11, 21, 10, tzinfo=UTC)
    fields = {
        "power_w": 11_000.0,
        "voltage_l1_v": 231.0,
        "current_l1_a": 16.0,
        "soc_pct": 40.0,
        "temperature_c": 21.0,
    }
    telemetry = InfluxTelemetry(influx_server.url, token="", org="", bucket=bucket)
    for station in ("SE-1", "SE-2"):
        telemetry.write(
            Point(
                station_id=station,
                connector_id=1,
                source="ocpp",
                at=start + timedelta(minutes=minute),
                values={**fields, "energy_wh": 1000.0 + 100 * minute},
            )
            for minute in range(60)
        )
    yield influx_server.url, bucket, start
    telemetry.close()


@pytest.mark.parametrize("panel", _panels())
def test_each_panel_shows_what_the_recorder_writes(panel: Any, measured: tuple[str, str, datetime]) -> None:
    url, bucket, start = measured
    text = panel["targets"][0]["query"].replace("$station", "(SE-1|SE-2)").replace("$source", "ocpp")
    end = start + timedelta(hours=1)
    within = f"time >= {int(start.timestamp())}s AND time < {int(end.timestamp())}s"
    text = text.replace("$timeFilter", within).replace("$__interval", "5m")
    with urlopen(f"{url}/query?{urlencode({'db': bucket, 'q': text}, quote_via=quote)}") as response:
        result = json.load(response)["results"][0]
    assert "error" not in result, result
    values = [row[1] for series in result["series"] for row in series["values"]]
    if panel["type"] == "timeseries":
        assert len(result["series"]) == 2
    else:
        expected = {"Power": 22_000, "Energy in the time shown": 11_800, "Connectors that measured": 2}
        assert values[-1] == expected[panel["title"]]


def test_grafana_is_given_what_its_files_ask_for() -> None:
    asked: set[str] = set()
    for path in (ROOT / "grafana/provisioning").rglob("*.yaml"):
        content = yaml.safe_load(path.read_text("utf-8"))
        asked |= {name for text in _texts(content) for name in re.findall(r"\$(\w+)", text)}
    assert asked <= _compose()["services"]["grafana"]["environment"].keys()
    assert asked
