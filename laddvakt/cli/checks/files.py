"""Settings, the data directory and the secrets in it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from collector.registry import AWAY_AFTER_S
from collector.remembered import remembered_file
from laddvakt.cli.checks.finding import Finding, Patient, fail, ok, warn
from laddvakt.eventlog.address import EMBEDDED
from laddvakt.eventlog.probe import LogState
from laddvakt.settings import PREFIX

LEAST_FREE_BYTES = 256 * 1024**2
_SPARE_BYTES = 1024**3  # for records and telemetry beside the log
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def size_text(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def settings_read(patient: Patient) -> Finding:
    """They were read, or we would not be here; this says from where."""
    names = sorted(name for name in os.environ if name.startswith(PREFIX))
    source = f"read from {patient.file}" if patient.file else "defaults, no file"
    return ok(", ".join([source, *names]))


def authorisation(patient: Patient) -> Finding:
    """How old what the collector knows of stations and tokens is; it reads the records every few seconds."""
    file = remembered_file(patient.settings)
    try:
        age_s = patient.clock().timestamp() - file.stat().st_mtime
    except OSError:
        return ok("no collector has read the records with this data directory yet")
    text = f"stations and tokens were read {max(age_s, 0):.0f} s ago"
    if patient.runs and age_s > AWAY_AFTER_S:
        return warn(
            f"{text}: the collector cannot read the records", "See `records`; ocpp.when_records_down applies."
        )
    return ok(text if patient.runs else f"{text}, when a collector last ran")


def data_dir(patient: Patient) -> Finding:
    """It exists and can be written to, by trying."""
    folder = patient.settings.data_dir
    if not folder.exists():
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            return fail(
                f"{folder} cannot be made in {above}", "Set data_dir to a folder that this user may write to."
            )
        return warn(f"{folder} is not there yet", "`laddvakt up` makes it at its first start.")
    if not folder.is_dir():
        return fail(f"{folder} is not a folder", "Set data_dir (or --data) to a folder.")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        mend = "Give the folder to the user that runs Laddvakt, or make room on the disk."
        return fail(f"{folder} cannot be written to: {error.strerror}", mend)
    owner, us = folder.stat().st_uid, os.geteuid()
    if owner != us:
        mend = "Run laddvakt as the folder's owner, so that no files of another user come into it."
        return warn(f"{folder} belongs to user {owner}, and we are user {us}", mend)
    return ok(f"{folder} can be written to")


def free_space(patient: Patient) -> Finding:
    """Enough for the log to grow to its bound."""
    folder = patient.settings.data_dir.absolute()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{size_text(free)} free"
    if free < LEAST_FREE_BYTES:
        return fail(text, f"Make room on the disk of {folder}, or set data_dir to another one.")
    if patient.settings.eventlog.url != EMBEDDED:
        return ok(text)
    used = patient.log.bytes if isinstance(patient.log, LogState) else 0
    bound = patient.settings.eventlog.max_bytes
    if free < bound - used + _SPARE_BYTES:
        mend = "Make room, or lower eventlog.max_bytes."
        return warn(f"{text}, and the event log may grow to {size_text(bound)}", mend)
    return ok(text)


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS)


def secrets(patient: Patient) -> Finding:
    """Nobody but the owner reads them, and none is empty."""
    folder = patient.settings.data_dir / "secrets"
    if not folder.is_dir():
        return ok("none made yet")
    try:
        kept = [*sorted(folder.iterdir()), patient.settings.run_dir / "nats.json"]
        present = [path for path in kept if path.is_file()]
        bare = [path for path in present if _open_to_others(path)]
        empty = [path for path in present if not path.stat().st_size]
    except OSError as error:
        return fail(f"{folder} cannot be read: {error.strerror}", "Run as the user that owns it.")
    if empty:
        return fail(f"{_names(empty)} empty", "Bring it back from a backup; data was sealed with it.")
    if bare:
        paths = " ".join(map(str, bare))
        return fail(
            f"{_names(bare)} readable by other users", f"chmod 600 {paths}; if somebody may have, change it."
        )
    return ok(f"{len(present)} files, readable by their owner alone")


def _names(paths: list[Path]) -> str:
    return f"{', '.join(path.name for path in paths)} {'is' if len(paths) == 1 else 'are'}"


def secrets_in_settings(patient: Patient) -> Finding:
    """A settings file with passwords in it is as closed as the secrets are."""
    given = patient.settings
    holds = [
        name
        for name, value in {
            "telemetry.token": given.telemetry.token,
            "web.secret": given.web.secret,
            "privacy.key": given.privacy.key,
            "records.url": "@" in given.records.url,
            "eventlog.url": "@" in given.eventlog.url,
            "mqtt.url": "@" in given.mqtt.url,
        }.items()
        if value
    ]
    if patient.file is None or not holds:
        return ok("no secrets in a settings file")
    if _open_to_others(patient.file):
        mend = f"chmod 600 {patient.file}, or give secrets by environment."
        return warn(f"{patient.file} is readable by other users, and {', '.join(holds)} may hold secrets", mend)
    return ok(f"{patient.file} is readable by its owner alone")
