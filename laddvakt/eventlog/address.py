"""Where the event log and the MQTT broker are: given by settings, or left in `run/` by the embedded server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec

from laddvakt.domain.errors import EventLogError
from laddvakt.settings import Settings, secret

USER = "laddvakt"
EMBEDDED = "embedded:"


class EmbeddedPorts(msgspec.Struct, frozen=True, kw_only=True):
    """What a running embedded server leaves for the other services of this machine."""

    host: str
    port: int
    mqtt_host: str
    mqtt_port: int


def ports_file(settings: Settings) -> Path:
    return settings.run_dir / "eventlog.json"


def write_ports(settings: Settings, ports: EmbeddedPorts) -> None:
    path = ports_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(ports))
    fresh.replace(path)


def read_ports(settings: Settings) -> EmbeddedPorts:
    """Raises EventLogError when no embedded server was started on this data directory."""
    try:
        return msgspec.json.decode(ports_file(settings).read_bytes(), type=EmbeddedPorts)
    except (OSError, msgspec.MsgspecError) as error:
        raise EventLogError(
            f"no embedded event log runs on {settings.data_dir}.",
            mend="Start `laddvakt up` first, or set eventlog.url to a NATS server.",
        ) from error


def nats_url(settings: Settings) -> str:
    """URL of the event log, credentials included: do not log it."""
    if settings.eventlog.url != EMBEDDED:
        return settings.eventlog.url
    ports = read_ports(settings)
    return f"nats://{USER}:{quote(secret(settings, 'eventlog', ''))}@{ports.host}:{ports.port}"


def mqtt_url(settings: Settings) -> str | None:
    """URL of the MQTT broker, credentials included, or None when MQTT is off."""
    if settings.mqtt.url == "off":
        return None
    if settings.mqtt.url != EMBEDDED:
        return settings.mqtt.url
    ports = read_ports(settings)
    return f"mqtt://{USER}:{quote(secret(settings, 'eventlog', ''))}@{ports.mqtt_host}:{ports.mqtt_port}"
