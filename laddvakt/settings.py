"""Settings: `laddvakt.toml`, each key overridable by the environment (`LADDVAKT_<SECTION>__<KEY>`).

Unknown keys are errors, so that a typing mistake never silently means "default".
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import secrets
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from laddvakt.domain.errors import SettingsError

PREFIX = "LADDVAKT_"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordsSettings(_Section):
    url: str = Field("", description="SQLAlchemy URL; empty is SQLite in the data directory")
    history_days: int = Field(
        400,
        ge=1,
        description="days that changes of status are kept: how far reliability figures reach",
    )


class TelemetrySettings(_Section):
    url: str = Field("embedded:", description="`embedded:` or the URL of an InfluxDB (1.8+, 2.x, 3.x)")
    token: str = Field("", description="InfluxDB token (1.8: `user:password`)")
    org: str = Field("laddvakt", description="InfluxDB organisation")
    bucket: str = Field("laddvakt", description="InfluxDB bucket (1.8: database, or `database/policy`)")
    retention_days: int = Field(400, ge=1, description="days that the embedded store keeps")


class EventlogSettings(_Section):
    url: str = Field("embedded:", description="`embedded:` or `nats://[user:password@]host:port`")
    partitions: int = Field(4, ge=1, le=256, description="fixed once the log exists")
    max_age_days: int = Field(30, ge=1, description="entries older than this are dropped from the log")
    max_bytes: int = Field(
        8 * 1024**3, ge=1024**2, description="bytes; at the bound stations wait, nothing is lost"
    )
    replicas: int = Field(1, ge=1, le=5, description="copies on a NATS cluster")


class MqttSettings(_Section):
    url: str = Field("embedded:", description="`embedded:`, `mqtt[s]://[user:password@]host:port`, or `off`")
    listen: str = Field("127.0.0.1:1883", description="address of the embedded broker; port 0 picks a free one")
    client_id: str = Field("laddvakt-collector", description="persistent session name at the broker")
    protocol: Literal["3.1.1", "5"] = Field("3.1.1", description="version of MQTT; the embedded broker has 3.1.1")
    ca_file: str = Field("", description="PEM file of the authorities that may vouch for an `mqtts:` broker")
    cert_file: str = Field("", description="PEM file of our client certificate, with those between it and the CA")
    key_file: str = Field("", description="PEM file of its private key; empty where `cert_file` has it")
    mappings: tuple[Path, ...] = Field((), description="mapping files for other devices' topics: a path or a list")

    @field_validator("mappings", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) and value else value or ()


class Listener(_Section):
    """A row of `[[ocpp.listeners]]`: one more address for stations, with a security profile of its own."""

    listen: str
    security_profile: int = Field(ge=0, le=3)


class OcppSettings(_Section):
    listen: str = Field("127.0.0.1:9000", description="address for stations; port 0 picks a free one")
    processes: int = Field(1, ge=1, le=64, description="collectors on this machine that share the port")
    drain_s: float = Field(
        2, ge=0, le=30, description="seconds over which a collector that stops says goodbye to many stations"
    )
    security_profile: int = Field(
        0, ge=0, le=3, description="0 open, 1 HTTP Basic, 2 TLS and HTTP Basic, 3 TLS with client certificates"
    )
    listeners: tuple[Listener, ...] = Field(
        (), description="more addresses: a list of tables with `listen` and `security_profile`"
    )
    allow_open: bool = Field(
        False, description="let security profile 0 (no passwords) serve other machines than this one"
    )
    tls_cert_file: str = Field("", description="PEM file of our certificate, with those between it and the CA")
    tls_key_file: str = Field("", description="PEM file of its private key; empty where `tls_cert_file` has it")
    tls_client_ca_file: str = Field(
        "", description="PEM file of the authorities that vouch for stations' certificates (profile 3)"
    )
    tls_crl_file: str = Field("", description="PEM file of those authorities' revocation lists; empty checks none")
    sign_certificate_command: str = Field(
        "", description="program that signs stations' certificates: request on stdin, name last, chain on stdout"
    )
    station_ca_cert_file: str = Field("", description="PEM file of an authority that signs them here instead")
    station_ca_key_file: str = Field("", description="PEM file of its private key")
    station_certificate_days: int = Field(365, ge=1, le=3650, description="for which such certificates are good")
    tls_rsa_key_exchange: bool = Field(
        False, description="also the two cipher suites of TLS 1.2 without forward secrecy that OCPP names"
    )
    tls_at_proxy: bool = Field(
        False, description="profile 2: TLS ends at one of `trusted_proxies`, which says so in X-Forwarded-Proto"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="addresses or networks of proxies whose X-Forwarded-For is believed"
    )
    handshakes_per_address: int = Field(
        500, ge=1, description="new connections a second from one address; ten times as many at once"
    )
    connections_per_address: int = Field(20_000, ge=1, description="connections from one address")
    messages_per_station: int = Field(
        200, ge=1, description="messages a second on one connection; ten times as many at once, then it waits"
    )
    unknown_stations: Literal["reject", "pending", "accept"] = Field(
        "pending", description="what a station that no network file names is told"
    )
    heartbeat_interval_s: int = Field(300, ge=10, description="seconds between Heartbeats, told at boot")
    max_frame_bytes: int = Field(1024 * 1024, ge=1024, description="a longer frame closes the connection (1009)")
    command_timeout_s: float = Field(
        30, gt=0, le=3600, description="seconds until a command to a station is given up, waiting in line included"
    )
    total_cost: bool = Field(
        True, description="tell OCPP 2.x stations what a transaction costs so far (`totalCost`)"
    )
    cost_updated_every_s: float = Field(
        0, ge=0, le=3600, description="seconds between CostUpdated while a 2.x station charges; 0 sends none"
    )
    trigger_after_gap: bool = Field(
        True, description="ask stations for what they did not say by themselves after they connected"
    )
    strict: bool = Field(False, description="refuse what breaks the specification, also where its sense is plain")
    default_protocol: Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"] = Field(
        "ocpp1.6", description="what a station speaks that offers no subprotocol"
    )
    unknown_tokens: Literal["accept", "reject"] = Field(
        "accept", description="what an idTag that the records do not know is told"
    )
    local_list: bool = Field(
        False, description="keep idTags, encrypted, and send stations a list of them for when they are offline"
    )
    concurrent_sessions: Literal["allow", "refuse"] = Field(
        "allow", description="whether a token that charges at one connector may start at another (`ConcurrentTx`)"
    )
    when_records_down: Literal["accept_known", "accept_all", "refuse"] = Field(
        "accept_known",
        description="tokens while the records are away: as they were read last; unknown ones too; none",
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) and value else value or ()

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text)  # its ValueError says what is wrong
        return value

    @property
    def signs(self) -> bool:
        """Whether stations get certificates here."""
        return bool(self.sign_certificate_command or self.station_ca_cert_file)

    @property
    def doors(self) -> tuple[Listener, ...]:
        """All addresses for stations, the first one being `listen`."""
        return (Listener(listen=self.listen, security_profile=self.security_profile), *self.listeners)


class SessionsSettings(_Section):
    silent_after_h: float = Field(
        24, gt=0, description="hours without a sign of life after which a session is closed by estimate"
    )
    meter_difference_pct: float = Field(
        5, gt=0, description="a session is suspect whose independent meter differs by more than this"
    )
    meter_difference_wh: float = Field(
        300, ge=0, description="and by more than this many Wh from the station's register"
    )


class TapSettings(_Section):
    listen: str = Field("", description="address for stations that keep their central system; empty: no tap")
    upstream: str = Field(
        "", description="that central system, `ws[s]://host[:port][/path]`; the path may name `{station_id}`"
    )
    keep_host: bool = Field(False, description="forward the station's `Host` header, not the upstream's name")
    cert_file: str = Field("", description="PEM file of a certificate, to serve stations over TLS (`wss://`)")
    key_file: str = Field("", description="PEM file of its private key; empty where `cert_file` has it")
    ca_file: str = Field("", description="PEM file of the authorities that may vouch for a `wss://` upstream")
    buffer_bytes: int = Field(
        64 * 1024**2, ge=1024**2, description="bound of what waits for the log; beyond it messages pass unobserved"
    )
    max_message_bytes: int = Field(1024**2, ge=1024, description="a longer message passes, and is not observed")
    allow_commands: bool = Field(False, description="commands to tapped stations; not possible yet, leave it off")

    @field_validator("allow_commands")
    @classmethod
    def _no_commands(cls, value: bool) -> bool:
        if value:
            raise ValueError(
                "the tap forwards byte for byte, so it cannot put calls of ours between those of the central "
                "system; command tapped stations there, or connect them to Laddvakt itself"
            )
        return value


class WebSettings(_Section):
    listen: str = Field("127.0.0.1:8050", description="address of pages and API; port 0 picks a free one")
    secret: str = Field("", description="signs browser sessions; empty is generated into the data directory")
    public_url: str = Field(
        "", description="how people reach the pages, `https://host`; without it, messages carry no links"
    )


class AlertsSettings(_Section):
    acknowledge_link_h: float = Field(
        24, gt=0, le=24 * 30, description="hours for which the link in a message acknowledges its ticket"
    )


class RemediationSettings(_Section):
    sites: tuple[str, ...] = Field(
        (), description="ids of sites whose stations may be helped by command, `*` for all; empty: none"
    )
    after_s: float = Field(300, ge=0, le=86_400, description="seconds for which a fault is left alone first")
    wait_s: float = Field(
        300, ge=1, le=86_400, description="seconds that a step is given to help; a reset three times as many"
    )
    resets_per_day: int = Field(2, ge=0, le=2, description="resets of one station in 24 h, by whomever")

    @field_validator("sites", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) and value else value or ()


class PrivacySettings(_Section):
    key: str = Field("", description="pseudonyms and field encryption; empty is generated into the data directory")


class DetectorSettings(_Section):
    rules: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="thresholds by rule, for example `rules.offline.after_s = 900`"
    )
    site_rules: dict[str, dict[str, dict[str, float]]] = Field(
        default_factory=dict, description='thresholds at one site, for example `site_rules."PARK".offline.after_s`'
    )
    model_rules: dict[str, dict[str, dict[str, float]]] = Field(
        default_factory=dict, description="thresholds for one model, by vendor and model as the station says them"
    )
    rules_off: list[str] = Field(default_factory=list, description="rules that are not run, by fault code")
    false_tickets_per_connector_day: float = Field(0.002, gt=0, lt=1, description="budget of the isolation forest")
    train_after_hours: float = Field(
        168, ge=0, description="hours of history before the first forest is trained: a week has every weekday once"
    )
    forest: bool = Field(True, description="whether the isolation forest runs")


class TicketsSettings(_Section):
    reopen_within_h: float = Field(
        24,
        ge=0,
        description="a fault that is back before its ticket is closed, or within this time after, reopens it; "
        "later it is a new one",
    )
    still_stands_h: float = Field(
        24, gt=0, description="a ticket resolved by hand is reopened when its fault stands on for so long"
    )
    close_after_days: float = Field(1, gt=0, description="a verified ticket is closed after this time")
    flap_high: float = Field(0.2, gt=0, le=1, description="share of changes at which a fault is said to flap")
    flap_low: float = Field(0.05, gt=0, le=1, description="and below which it is calm again")
    storm_tickets: int = Field(20, ge=2, description="so many tickets of one fault are a storm")
    storm_minutes: float = Field(10, gt=0, description="within which they open; people get one digest of it")
    margin_pct: float = Field(
        100,
        ge=0,
        le=100,
        description="part of a session's revenue without VAT that is lost with it, for revenue at risk",
    )

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if self.flap_low >= self.flap_high:
            raise ValueError("flap_low must be below flap_high")
        return self


class Settings(_Section):
    """All settings of one installation."""

    data_dir: Path = Field(Path("data"), description="where everything embedded lives")
    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="ISO 4217; where no tariff says otherwise")
    timezone: str = Field("UTC", description="IANA; where days begin when a site does not say")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="of all services")
    demo: bool = Field(False, description="set by `up --demo`: demo users with known passwords")
    records: RecordsSettings = Field(default_factory=RecordsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    eventlog: EventlogSettings = Field(default_factory=EventlogSettings)
    mqtt: MqttSettings = Field(default_factory=MqttSettings)
    ocpp: OcppSettings = Field(default_factory=OcppSettings)
    sessions: SessionsSettings = Field(default_factory=SessionsSettings)
    tap: TapSettings = Field(default_factory=TapSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    alerts: AlertsSettings = Field(default_factory=AlertsSettings)
    remediation: RemediationSettings = Field(default_factory=RemediationSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)
    detector: DetectorSettings = Field(default_factory=DetectorSettings)
    tickets: TicketsSettings = Field(default_factory=TicketsSettings)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone, such as Europe/Stockholm")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def records_url(self) -> str:
        return self.records.url or f"sqlite:///{(self.data_dir / 'records.sqlite').absolute()}"

    @property
    def run_dir(self) -> Path:
        """Where running services leave their addresses."""
        return self.data_dir / "run"


def _from_environment(environ: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        *sections, key = name.removeprefix(PREFIX).lower().split("__")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise SettingsError(
                    f"environment variable {name} contradicts another one.", mend="Remove one of them."
                )
        place[key] = _value(text)
    return found


def _value(text: str) -> Any:
    """Tables and lists are given as JSON. Other text is kept, also a password that begins with a bracket."""
    if text.startswith(("{", "[")):
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return text


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def settings_file(config: Path | None, data_dir: Path) -> Path | None:
    """The file that is read: the given one, else `laddvakt.toml` in the data directory or here, if it exists."""
    candidates = [data_dir / "laddvakt.toml", Path("laddvakt.toml")]
    return config or next((candidate for candidate in candidates if candidate.exists()), None)


def load_settings(
    config: Path | None = None, *, environ: dict[str, str] | None = None, data_dir: Path | None = None
) -> Settings:
    """Settings from a file (default `laddvakt.toml` in the data directory or here), the environment on top.

    Raises SettingsError naming the file, the key and what it wants.
    """
    environment = _from_environment(dict(os.environ) if environ is None else environ)
    if data_dir is not None:
        environment["data_dir"] = str(data_dir)
    path = settings_file(config, Path(environment.get("data_dir", "data")))
    read: dict[str, Any] = {}
    if path is not None:
        try:
            read = tomllib.loads(path.read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SettingsError(
                f"cannot read {path}: {error}.", mend="Mend the file, or name another with --config."
            ) from error
    try:
        return Settings.model_validate(_merge(read, environment))
    except ValidationError as error:
        raise SettingsError(_explain(error, path), mend="See docs/reference/settings.md.") from error


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown setting {key}")
        else:
            lines.append(f"setting {key}: {item['msg']}")
    return f"{path or 'environment'}: " + "; ".join(lines) + "."


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_address(text: str) -> tuple[str, int]:
    """`host:port` into its parts. Raises SettingsError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"{text!r} is not host:port.", mend="Write for example 127.0.0.1:9000.")
    return host.strip("[]"), int(port)


def secret(settings: Settings, name: str, given: str) -> str:
    """The given secret, or one made on first use and kept in `data_dir/secrets/<name>`, readable by the owner
    only. Services on several machines must be given the same one."""
    if given:
        return given
    folder = settings.data_dir / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    if not path.exists():
        # Whole or not at all: services that start together must never read half a secret, or two different ones.
        with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8") as fresh:
            fresh.write(secrets.token_urlsafe(32))
            fresh.flush()
            with contextlib.suppress(FileExistsError):  # another service was first: its secret counts
                os.link(fresh.name, path)
    return path.read_text("utf-8").strip()


def web_secret(settings: Settings) -> str:
    """The key of browser sessions and of links in messages; detector and dashboard must arrive at the same one."""
    return secret(settings, "web.secret", settings.web.secret)


def privacy_key(settings: Settings) -> str:
    """The key of pseudonyms and field encryption; every service must arrive at the same one."""
    return secret(settings, "privacy", settings.privacy.key)
