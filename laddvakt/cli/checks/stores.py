"""Records and telemetry."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta

from laddvakt.cli.checks.finding import Finding, Patient, fail, ok, warn
from laddvakt.domain.errors import LaddvaktError, StoreError
from laddvakt.stores.ports import Point, Telemetry
from laddvakt.stores.telemetry.embedded import EmbeddedTelemetry
from laddvakt.stores.telemetry.opening import EMBEDDED, open_telemetry

STATION = "laddvakt-doctor"  # of the value that is written; one a day at most is kept
_FIELD = "checked"
_UNREACHED = "Start the database, and check records.url: host, port, name, user and password."


def records(patient: Patient) -> Finding:
    """They answer."""
    state = patient.records
    if isinstance(state, LaddvaktError):
        mend = _UNREACHED if patient.settings.records.url else "Check the file and its rights."
        return fail(state.message, mend)
    if state is None:
        return warn("the records are not made yet", "`laddvakt up` or `laddvakt migrate` makes them.")
    return ok(f"{state.server} answers")


def schema(patient: Patient) -> Finding:
    """It is the one that this version works with."""
    state = patient.records
    if isinstance(state, LaddvaktError) or state is None:
        return ok("nothing to check without records")
    if state.schema is None:
        return warn("the records are empty", "`laddvakt up` or `laddvakt migrate` makes the schema.")
    if state.foreign:
        mend = "Use the version of Laddvakt that wrote it, or a later one."
        return fail(f"schema {state.schema} is of another version than this ({state.newest})", mend)
    if state.schema != state.newest:
        return fail(f"schema {state.schema} is older than {state.newest}", "Run `laddvakt migrate`.")
    return ok(f"schema {state.schema} is up to date")


def telemetry(patient: Patient) -> Finding:
    """It keeps a value and gives it back. The embedded store is tried in a folder of its own on the same disk."""
    settings = patient.settings
    try:
        if settings.telemetry.url != EMBEDDED:
            return _round_trip(open_telemetry(settings, patient=False), patient.clock(), settings.telemetry.url)
        if not settings.data_dir.is_dir():
            return ok("nothing to check without a data directory")
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=settings.data_dir) as folder:
            return _round_trip(
                EmbeddedTelemetry(settings.data_dir / folder), patient.clock(), "the embedded store"
            )
    except StoreError as error:
        elsewhere = settings.telemetry.url != EMBEDDED
        mend = "Start InfluxDB, and check telemetry.url, .token, .org and .bucket." if elsewhere else error.mend
        return fail(error.message, mend)
    except OSError as error:
        return fail(f"the embedded store cannot be written: {error.strerror}", "Check data_dir and its disk.")


def _round_trip(store: Telemetry, now: datetime, name: str) -> Finding:
    at = now.replace(hour=0, minute=0, second=0, microsecond=0)
    value = float(now.hour * 60 + now.minute)
    try:
        store.write([Point(station_id=STATION, connector_id=0, source="ocpp", at=at, values={_FIELD: value})])
        read = store.read(
            station_id=STATION, connector_id=0, fields=[_FIELD], from_=at, to=at + timedelta(seconds=1)
        )
    finally:
        store.close()
    if [sample.value for sample in read[_FIELD]] != [value]:
        return fail(f"{name} does not give back what was written", "Check telemetry.bucket and its retention.")
    return ok(f"{name} keeps a value and gives it back")
