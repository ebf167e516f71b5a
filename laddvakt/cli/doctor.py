"""`laddvakt doctor`: what is wrong with this installation, and the mend. Changes nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import click
import msgspec

from laddvakt.cli.checks import addresses, certificates, clocks, files, log, stores
from laddvakt.cli.checks.finding import Finding, Level, Patient, fail, failed
from laddvakt.cli.context import Context
from laddvakt.clock import utc_now
from laddvakt.domain.errors import LaddvaktError, SettingsError
from laddvakt.settings import PREFIX, Settings, settings_file


class Check(NamedTuple):
    """A row of the table: what is looked at, and who looks."""

    name: str
    look: Callable[[Patient], Finding]


CHECKS = (
    Check("settings", files.settings_read),
    Check("data directory", files.data_dir),
    Check("free space", files.free_space),
    Check("secrets", files.secrets),
    Check("settings file", files.secrets_in_settings),
    Check("records", stores.records),
    Check("schema", stores.schema),
    Check("authorisation", files.authorisation),
    Check("telemetry", stores.telemetry),
    Check("event log", log.event_log),
    Check("log size", log.log_size),
    Check("log readers", log.log_readers),
    Check("max_payload", log.max_payload),
    Check("ocpp.listen", addresses.ocpp_port),
    Check("ocpp tls", certificates.server_certificate),
    Check("ocpp crl", certificates.revocation_list),
    Check("certificates", certificates.station_certificates),
    Check("private keys", certificates.private_keys),
    Check("web.listen", addresses.web_port),
    Check("mqtt.listen", addresses.mqtt_port),
    Check("ports", addresses.distinct),
    Check("mqtt broker", addresses.mqtt_broker),
    Check("mqtt mappings", addresses.mqtt_mappings),
    Check("clock", clocks.clock),
    Check("versions", clocks.versions),
)

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
_IN_URL = re.compile(r"(?<=://)[^/@\s]*@")


class Line(msgspec.Struct, frozen=True):
    """A check's outcome, as `--json` prints it."""

    name: str
    level: Level
    what: str
    mend: str = ""


def examine(patient: Patient) -> Iterator[Line]:
    """All checks in turn. A check that breaks is itself a finding, and the others go on."""
    hide = _hider(patient.settings)
    for check in CHECKS:
        try:
            finding = check.look(patient)
        except LaddvaktError as error:
            finding = failed(error)
        except Exception as error:  # whatever is wrong there must not hide what the others find
            finding = fail(f"this check broke: {type(error).__name__}: {error}", "Please report it.")
        yield Line(check.name, finding.level, hide(finding.what), hide(finding.mend))


def _hider(settings: Settings) -> Callable[[str], str]:
    """Takes secrets out of a text, whoever wrote it."""
    urls = (settings.records.url, settings.telemetry.url, settings.eventlog.url, settings.mqtt.url)
    held = {settings.telemetry.token, settings.web.secret, settings.privacy.key, *map(_password, urls)}
    held |= {unquote(text) for text in held}
    known = sorted((text for text in held if len(text) > 3), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in known:
            text = text.replace(secret, "***")
        return _IN_URL.sub("***@", text)

    return hide


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def command(context: Context, *, as_json: bool) -> None:
    """Look at settings, data directory, stores, event log, addresses and clocks; say what is wrong and the mend.
    Changes nothing. Exit status 1 when something fails."""
    lines = []
    for line in _lines(context):
        lines.append(line)
        if not as_json:
            _show(line)
    fails, warns = (sum(line.level is level for line in lines) for level in (Level.FAIL, Level.WARN))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"ok": not fails, "checks": lines}), indent=1))
    else:
        click.echo(f"{fails} failed, {warns} to look at." if fails or warns else "All is well.")
    sys.exit(1 if fails else 0)


def _lines(context: Context) -> Iterator[Line]:
    try:
        settings = context.settings()
    except SettingsError as error:
        yield Line("settings", Level.FAIL, error.message, error.mend)
        return
    given = context.data_dir or Path(os.environ.get(f"{PREFIX}DATA_DIR", "data"))
    yield from examine(Patient(settings, settings_file(context.config, given), utc_now))


def _show(line: Line) -> None:
    click.echo(f"{click.style(f'{line.level:4}', fg=_COLOURS[line.level])}  {line.name:16} {line.what}")
    if line.mend:
        click.echo(f"{'':6}{'':16} -> {line.mend}")
