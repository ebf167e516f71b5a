"""Clocks and versions."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

from laddvakt import __version__
from laddvakt.cli.checks.finding import Finding, Patient, fail, ok, warn
from laddvakt.eventlog.probe import LogState
from laddvakt.stores.sql.engine import RecordsState

MADE = datetime(2026, 1, 1, tzinfo=UTC)  # no clock can rightly be before this program
APART_S = 2.0
FAR_APART_S = 60.0
_MEND = "Run a time service (chrony, systemd-timesyncd) on both machines."


def clock(patient: Patient) -> Finding:
    """Ours is not absurd, and agrees with those of the servers."""
    now = patient.clock()
    if now < MADE:
        return fail(f"the clock says {now:%Y-%m-%d %H:%M} UTC", "Set it; sessions and costs are reckoned by it.")
    apart = {name: seconds for name, seconds in _differences(patient).items() if abs(seconds) > APART_S}
    if not apart:
        return ok(f"{now:%Y-%m-%d %H:%M:%S} UTC")
    text = ", ".join(f"the clock of {name} is {seconds:+.1f} s from ours" for name, seconds in apart.items())
    worst = max(abs(seconds) for seconds in apart.values())
    return fail(text, _MEND) if worst > FAR_APART_S else warn(text, _MEND)


def _differences(patient: Patient) -> dict[str, float]:
    """Seconds by which servers are ahead of us."""
    found: dict[str, float] = {}
    log, log_at = patient.log_seen
    if isinstance(log, LogState) and log.server_time is not None:
        found["the event log"] = (log.server_time - log_at).total_seconds()
    records, records_at = patient.records_seen
    if isinstance(records, RecordsState) and records.clock is not None:
        found["the records"] = (records.clock - records_at).total_seconds()
    return found


def versions(patient: Patient) -> Finding:
    """For a bug report."""
    parts = [f"Laddvakt {__version__}", f"Python {platform.python_version()}", platform.platform(terse=True)]
    if isinstance(patient.records, RecordsState):
        parts.append(patient.records.server)
    if isinstance(patient.log, LogState):
        parts.append(f"NATS {patient.log.version}")
    return ok(", ".join(parts))
