"""The event log: there, right for these settings, not full, read in time."""

from __future__ import annotations

from datetime import datetime

from laddvakt.cli.checks.files import size_text
from laddvakt.cli.checks.finding import Finding, Patient, fail, ok, warn
from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.address import EMBEDDED
from laddvakt.eventlog.probe import Reader

READERS = ("recorder", "telemetry", "detector")
NEARLY_FULL = 0.85  # the log is trimmed at 0.8 of its bound, where everybody has read what goes
FULL = 0.98
SLOW_S = 30
STUCK_S = 600
_FRAME_IN_ENTRY = 6  # an entry holds the frame, the reply, and what was read: of meter values 5 times as much
_NOTHING = "nothing to check without an event log"


def event_log(patient: Patient) -> Finding:
    """It answers, and was made with the partitions that the settings say."""
    state, settings = patient.log, patient.settings.eventlog
    if isinstance(state, EventLogError):
        if settings.url != EMBEDDED:
            return fail(state.message, state.mend or "Start the NATS server, and check eventlog.url.")
        if patient.runs:
            return fail(state.message, f"See the end of {patient.settings.data_dir / 'logs/eventlog.log'}.")
        return warn("the embedded event log is not running", "Start `laddvakt up`.")
    if not state.made:
        return warn(f"NATS {state.version} answers; no service has used it yet", "Start the services.")
    if state.partitions and state.partitions != str(settings.partitions):
        mend = f"Set eventlog.partitions = {state.partitions}; it is fixed once the log exists."
        return fail(f"the log was made with {state.partitions} partitions, not {settings.partitions}", mend)
    return ok(f"NATS {state.version} answers")


def log_size(patient: Patient) -> Finding:
    """There is room: at the bound stations wait."""
    state = patient.log
    if isinstance(state, EventLogError) or not state.made or state.max_bytes <= 0:
        return ok(_NOTHING)
    part = state.bytes / state.max_bytes
    text = f"{size_text(state.bytes)} of {size_text(state.max_bytes)} used"
    mend = "See which service is behind (log readers), or raise eventlog.max_bytes."
    if part >= FULL:
        return fail(f"{text}: the log is full and stations wait", mend)
    return warn(text, mend) if part >= NEARLY_FULL else ok(text)


def log_readers(patient: Patient) -> Finding:
    """Every service reads, and none is far behind."""
    state = patient.log
    if isinstance(state, EventLogError) or not state.made:
        return ok(_NOTHING)
    missing = [name for name in READERS if name not in {reader.service for reader in state.readers}]
    behind = [_behind(name, state.readers, patient.clock()) for name in READERS]
    late_s = max(seconds for seconds, _ in behind)
    texts = [text for _, text in behind if text]
    if late_s >= STUCK_S:
        return fail("; ".join(texts), "Is that service running, and can it reach its stores? See its log.")
    if missing:
        return warn(
            f"nobody has read as {', '.join(missing)} yet", "Start the services: `laddvakt up`, or each one."
        )
    if late_s >= SLOW_S:
        return warn("; ".join(texts), "Is that service running? It may also be catching up: look again soon.")
    return ok("recorder and detector have read what was said" if not texts else "; ".join(texts))


def _behind(service: str, readers: tuple[Reader, ...], now: datetime) -> tuple[float, str]:
    """Seconds, and in words; nothing to say where all is read."""
    own = [reader for reader in readers if reader.service == service and reader.waiting]
    if not own:
        return 0, ""
    late_s = max(((now - reader.oldest).total_seconds() for reader in own if reader.oldest), default=0.0)
    return late_s, f"{service} is {max(late_s, 0):.0f} s behind, {sum(reader.waiting for reader in own)} records"


def max_payload(patient: Patient) -> Finding:
    """A frame of the greatest length fits into a log record."""
    state, frame = patient.log, patient.settings.ocpp.max_frame_bytes
    if isinstance(state, EventLogError):
        return ok(_NOTHING)
    text = f"max_payload is {size_text(state.max_payload)}, ocpp.max_frame_bytes {size_text(frame)}"
    mend = (
        f"Set max_payload of the NATS server to {_FRAME_IN_ENTRY * frame} or more, or lower ocpp.max_frame_bytes."
    )
    if state.max_payload < frame:
        return fail(text, mend)
    return warn(text, mend) if state.max_payload < _FRAME_IN_ENTRY * frame else ok(text)
