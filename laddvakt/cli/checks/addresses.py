"""Addresses that we listen on, and the MQTT broker."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from collector import doors
from collector.mqtt.mapping_file import load_mappings
from collector.mqtt.probe import refusal
from laddvakt.cli.checks.finding import Finding, Level, Patient, fail, failed, ok, warn
from laddvakt.domain.errors import EventLogError, SettingsError
from laddvakt.eventlog.address import EMBEDDED, mqtt_url, read_ports
from laddvakt.eventlog.probe import LogState
from laddvakt.settings import Listener, OcppSettings, split_address

_PATIENCE_S = 3.0
_END = "-----END CERTIFICATE-----"
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound


def ocpp_port(patient: Patient) -> Finding:
    """Free, or a collector of ours; and not open to everybody."""
    ocpp = patient.settings.ocpp
    findings = [_door(ocpp, door) for door in ocpp.doors]
    failing = [finding for finding in findings if finding.level is Level.FAIL]
    if failing:
        return failing[0]
    try:
        doors.check(ocpp)
    except SettingsError as error:
        return failed(error)
    if doubts := doors.doubts(ocpp):
        return warn(
            "; ".join(doubts), "Use security profile 2, or a network that is closed; see secure-stations.md."
        )
    return ok("; ".join(finding.what for finding in findings))


def _door(ocpp: OcppSettings, door: Listener) -> Finding:
    if doors.ends_tls(ocpp, door):
        return _address(door.listen, "ocpp.listen", lambda host, port: _shows(host, port, ocpp.tls_cert_file))
    return _address(door.listen, "ocpp.listen", lambda host, port: b"/<station id>" in _get(host, port, "/"))


def _shows(host: str, port: int, cert_file: str) -> bool:
    """Whether a server shows this certificate."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=_PATIENCE_S) as bare,
            anybody.wrap_socket(bare) as connection,
        ):
            shown = connection.getpeercert(binary_form=True)
        ours = ssl.PEM_cert_to_DER_cert(Path(cert_file).read_text("utf-8").partition(_END)[0] + _END)
    except (OSError, ValueError):
        return False
    return shown == ours


def web_port(patient: Patient) -> Finding:
    """Free, or a dashboard of ours."""
    listen = patient.settings.web.listen
    return _address(listen, "web.listen", lambda host, port: b'"status":"ok"' in _get(host, port, "/healthz"))


def mqtt_port(patient: Patient) -> Finding:
    """Free, or our embedded broker; of no interest with a broker elsewhere."""
    if patient.settings.mqtt.url != EMBEDDED or patient.settings.eventlog.url != EMBEDDED:
        return ok("not used: no embedded broker")
    return _address(patient.settings.mqtt.listen, "mqtt.listen", lambda _, port: _is_our_broker(patient, port))


def _is_our_broker(patient: Patient, port: int) -> bool:
    return isinstance(patient.log, LogState) and read_ports(patient.settings).mqtt_port == port


def _get(host: str, port: int, path: str) -> bytes:
    """The start of an HTTP answer; nothing where there is none."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().read(10_000)
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()


def _address(listen: str, setting: str, ours: Callable[[str, int], bool]) -> Finding:
    try:
        host, port = split_address(listen)
    except SettingsError as error:
        return fail(f"{setting}: {error.message}", error.mend)
    if port == 0:
        return ok("a free port is taken at each start")
    problem = _bind_problem(host, port)
    if problem is None:
        return ok(f"{listen} is free")
    if problem.errno == errno.EADDRINUSE and ours(_ANYWHERE.get(host, host), port):
        return ok(f"{listen} is served by Laddvakt")
    mend = f"Stop what uses that port, or set {setting} to another address."
    return fail(f"cannot listen on {listen} ({setting}): {problem.strerror}", mend)


def _bind_problem(host: str, port: int) -> OSError | None:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error
    return None


def distinct(patient: Patient) -> Finding:
    """No two services are told to listen on one port."""
    settings = patient.settings
    listens = {"ocpp.listen": settings.ocpp.listen, "web.listen": settings.web.listen}
    if settings.tap.listen:
        listens["tap.listen"] = settings.tap.listen
    for number, listener in enumerate(settings.ocpp.listeners):
        listens[f"ocpp.listeners[{number}]"] = listener.listen
    if settings.mqtt.url == EMBEDDED and settings.eventlog.url == EMBEDDED:
        listens["mqtt.listen"] = settings.mqtt.listen
    seen: dict[str, str] = {}
    for setting, listen in listens.items():
        port = listen.rpartition(":")[2]
        if port != "0" and port in seen:
            return fail(f"{seen[port]} and {setting} are both on port {port}", "Set one of them to another port.")
        seen[port] = setting
    return ok("every service has a port of its own")


def mqtt_broker(patient: Patient) -> Finding:
    """It answers and lets us in."""
    settings = patient.settings
    embedded = settings.mqtt.url == EMBEDDED
    if settings.mqtt.url == "off":
        return ok("MQTT is switched off")
    if embedded and settings.eventlog.url != EMBEDDED:
        mend = "Set mqtt.url to a broker's address, or to off."
        return fail("mqtt.url is embedded, but the embedded server is not used (eventlog.url)", mend)
    if embedded and isinstance(patient.log, EventLogError) and not patient.runs:
        return warn("the embedded broker is not running", "Start `laddvakt up`.")
    try:
        why = refusal(mqtt_url(settings) or "", settings.mqtt)
    except (SettingsError, EventLogError) as error:
        return failed(error)
    if why is None:
        return ok("the embedded broker answers" if embedded else "the broker answers")
    mend = (
        "See logs/eventlog.log."
        if embedded
        else "Start the broker, and check mqtt.url: host, port, user, password."
    )
    return fail(f"the MQTT broker cannot be used: {why}", mend)


def mqtt_mappings(patient: Patient) -> Finding:
    """The mapping files can be used."""
    paths = patient.settings.mqtt.mappings
    try:
        mappings = load_mappings(paths)
    except SettingsError as error:
        return failed(error)
    return ok(f"{len(mappings)} topic patterns in {len(paths)} files" if paths else "none: native topics only")
