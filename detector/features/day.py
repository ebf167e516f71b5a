"""A connector's day (UTC) in numbers: how often it was used, tried again, in error, away."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from detector.features.sample import DAY, Context, Span, Window, equipment
from detector.features.session import GOOD_SESSION_WH
from detector.view import ConnectorView, Sample, SessionEnded, StationView
from laddvakt.domain.stations import ConnectorState, Station

_WHOLE = timedelta(hours=1)
"""A day is judged if it was watched from its first hour on."""
REPEAT = timedelta(minutes=5)
RETRY = timedelta(minutes=15)
_FAILURES = 4
_IDLE = frozenset(
    {
        ConnectorState.PREPARING,
        ConnectorState.SUSPENDED_EV,
        ConnectorState.SUSPENDED_EVSE,
        ConnectorState.FINISHING,
    }
)
_BLOCKED = frozenset({ConnectorState.FAULTED, ConnectorState.UNAVAILABLE})


class OpenDay(msgspec.Struct, array_like=True):
    """A day being gathered."""

    start: datetime  # midnight
    since: datetime  # watched since
    status: ConnectorState
    status_at: datetime
    starts: int = 0
    failed: int = 0
    good: int = 0
    repeats: int = 0
    wh: float = 0.0
    peak_w: float = 0.0
    status_changes: int = 0
    errors: int = 0
    reconnects: int = 0
    boots: int = 0
    idle_s: float = 0.0
    blocked_s: float = 0.0
    idle_n: int = 0  # measurements of power outside any session
    idle_w: float = 0.0  # their sum
    error: str = "NoError"
    ended_at: datetime | None = None  # the last session
    failures: tuple[datetime, ...] = ()  # the ends of the last sessions without energy

    @property
    def end(self) -> datetime:
        return self.start + DAY

    def note_status(self, connector: ConnectorView, at: datetime) -> None:
        """Its status, if it has changed."""
        if connector.error != self.error:
            self.errors += connector.error not in ("NoError", "")
            self.error = connector.error
        if connector.status is not self.status:
            self.status_changes += 1
            self._spend(at)
            self.status = connector.status

    def _spend(self, until: datetime) -> None:
        seconds = max((until - self.status_at).total_seconds(), 0.0)
        self.idle_s += seconds if self.status in _IDLE else 0.0
        self.blocked_s += seconds if self.status in _BLOCKED else 0.0
        self.status_at = max(until, self.status_at)

    def note_idle(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            if not sample.transaction and not sample.foreign and sample.power is not None:
                self.idle_n += 1
                self.idle_w += sample.power.watts

    def note_start(self, at: datetime) -> None:
        self.starts += 1
        self.repeats += self.ended_at is not None and at - self.ended_at <= REPEAT

    def note_end(self, ended: SessionEnded, *, power_known: bool = True) -> None:
        self.ended_at = ended.ended_at
        self.wh += ended.energy_wh
        self.peak_w = max(self.peak_w, ended.power_max_w if power_known else 0.0)
        if ended.energy_wh >= GOOD_SESSION_WH:
            self.good += 1
        elif not ended.limited and not ended.suspended_by and not ended.refused:
            self.failed += 1
            self.failures = (*self.failures[-(_FAILURES - 1) :], ended.ended_at)

    def retries(self, before: datetime) -> int:
        """Sessions without energy shortly before a moment."""
        return sum(before - RETRY <= at <= before for at in self.failures)

    def next(self, at: datetime) -> OpenDay:
        """The day of a moment after this one, as it begins."""
        start = midnight(at)
        return OpenDay(
            start=start,
            since=start,
            status=self.status,
            status_at=start,
            error=self.error,
            ended_at=self.ended_at,
            failures=self.failures,
        )


def open_day(connector: ConnectorView, at: datetime) -> OpenDay:
    """Of a connector that was not watched before."""
    return OpenDay(start=midnight(at), since=at, status=connector.status, status_at=at, error=connector.error)


def midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def close_day(day: OpenDay, view: StationView, connector: ConnectorView, station: Station | None) -> Window | None:
    """The row of a day that is over; None where it was not watched as a whole."""
    if day.since > day.start + _WHOLE:
        return None
    day._spend(day.end)
    thing = equipment(view, connector, station)
    return Window(
        station_id=view.station_id,
        connector_id=connector.connector_id,
        transaction_id=day.start.date().isoformat(),
        vehicle="",
        start=day.start,
        kind=thing.kind,
        model=thing.model,
        context=Context(-1, -1, -1),
        current_a=0.0,
        values=_values(day) | _best(day, station),
        firmware=thing.firmware,
        connector_type=thing.connector_type,
        span=Span.DAY,
    )


def _values(day: OpenDay) -> dict[str, float]:
    values = {
        "sessions": counted(day.starts),
        "repeats": counted(day.repeats),
        "status_changes": counted(day.status_changes),
        "error_count": counted(day.errors),
        "reconnects": counted(day.reconnects),
        "boots": counted(day.boots),
        "idle_share": day.idle_s / DAY.total_seconds(),
        "blocked_share": day.blocked_s / DAY.total_seconds(),
    }
    if day.starts:
        values["failed_share"] = (day.failed + 0.5) / (day.starts + 1)
    if day.idle_n:
        values["idle_power"] = day.idle_w / day.idle_n
    if day.good:
        values["energy_per_session"] = day.wh / 1000 / day.good
    return values


def _best(day: OpenDay, station: Station | None) -> dict[str, float]:
    """What the best session got of the rated power: one vehicle asks for little, a day's best seldom does."""
    rated_w = station.max_power_w if station is not None else None
    return {"best_power": day.peak_w / rated_w} if rated_w and day.good and day.peak_w > 0 else {}


def counted(n: int) -> float:
    """2 sqrt(n + 3/8): of any Poisson count, about as spread as of any other (Anscombe, 1948)."""
    return 2 * math.sqrt(n + 0.375)
