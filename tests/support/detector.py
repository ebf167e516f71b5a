"""Tells the engine a story: what a station says, minute by minute, on virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from detector.changes import Change, ChangeKind
from detector.engine import Engine, Watch
from detector.rules import RULES, thresholds_for
from detector.rules.base import Rule
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Booted,
    Fact,
    LinkDown,
    LinkUp,
    Measured,
    StatusReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.readings import Reading
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tickets import Finding

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def make_engine(
    stations: Iterable[Station] = (),
    *,
    rules: tuple[Rule, ...] = RULES,
    thresholds: dict[str, dict[str, float]] | None = None,
    heartbeat_s: float = 300,
    watch: Watch | None = None,
) -> Engine:
    engine = Engine(
        thresholds=thresholds_for(thresholds or {}, rules),
        pseudonymise=lambda id_tag: f"tok_{id_tag.lower()}",
        heartbeat_s=heartbeat_s,
        rules=rules,
        watch=watch,
    )
    engine.register(stations)
    return engine


class Story:
    """One engine and the time. Every verb says something and returns nothing; `changes` gathers what came of it,
    `standing` is what stands."""

    def __init__(self, engine: Engine | None = None, *, station_id: str = "SE-1", now: datetime = START) -> None:
        self.engine = engine or make_engine()
        self.station_id = station_id
        self.now = now
        self.changes: list[Change] = []
        self.entries: list[Entry] = []

    # What a station says

    def say(
        self,
        *facts: Fact,
        kind: EntryKind = EntryKind.OCPP_IN,
        station: str | None = None,
        reply: str | None = None,
    ) -> None:
        entry = Entry(
            station_id=station or self.station_id, kind=kind, received_at=self.now, facts=facts, reply=reply
        )
        self.entries.append(entry)
        self.changes += self.engine.observe([entry])

    def connect(self, station: str | None = None) -> None:
        self.say(LinkUp(at=self.now, protocol="ocpp1.6"), kind=EntryKind.CONNECTED, station=station)

    def disconnect(self, station: str | None = None) -> None:
        self.say(LinkDown(at=self.now), kind=EntryKind.DISCONNECTED, station=station)

    def boot(self, station: str | None = None, *, interval: int | None = None) -> None:
        reply = None if interval is None else f'[3,"1",{{"status":"Accepted","interval":{interval}}}]'
        self.say(Booted(at=self.now, vendor="Acme", model="One"), station=station, reply=reply)

    def heartbeat(self, station: str | None = None) -> None:
        self.say(station=station)

    def status(
        self,
        status: ConnectorState,
        error_code: str = "NoError",
        *,
        connector_id: int = 1,
        at: datetime | None = None,
        mrec: tuple[str, ...] = (),
        info: str | None = None,
        vendor_error_code: str | None = None,
    ) -> None:
        self.say(
            StatusReported(
                at=at or self.now,
                connector_id=connector_id,
                status=status,
                error_code=error_code,
                mrec=mrec,
                info=info,
                vendor_error_code=vendor_error_code,
            )
        )

    def start(
        self, transaction: str, id_tag: str | None = "CARD", *, connector_id: int = 1, meter_wh: int = 0
    ) -> None:
        self.say(
            TransactionStarted(
                at=self.now,
                connector_id=connector_id,
                transaction_id=transaction,
                id_tag=id_tag,
                meter_start_wh=meter_wh,
            )
        )

    def stop(self, transaction: str, *, meter_wh: int = 0, reason: str = "Local") -> None:
        self.say(
            TransactionStopped(at=self.now, transaction_id=transaction, meter_stop_wh=meter_wh, reason=reason)
        )

    def measure(
        self,
        *,
        connector_id: int = 1,
        transaction: str | None = None,
        at: datetime | None = None,
        context: str = "Sample.Periodic",
        location: str = "",
        source: str = "ocpp",
        **values: float,
    ) -> None:
        at = at or self.now
        readings = tuple(
            Reading(at=at, field=field, value=value, context=context, location=location)
            for field, value in values.items()
        )
        kind = EntryKind.OCPP_IN if source == "ocpp" else EntryKind.MQTT
        fact = Measured(
            at=at, connector_id=connector_id, transaction_id=transaction, readings=readings, source=source
        )
        self.say(fact, kind=kind)

    # Time

    def wait(self, seconds: float) -> None:
        """Time passes in silence, ticking each second or in a hundred steps."""
        end = self.now + timedelta(seconds=seconds)
        step = timedelta(seconds=max(1.0, seconds / 100))
        while self.now < end:
            self.now = min(end, self.now + step)
            self.changes += self.engine.tick(self.now)

    # What came of it

    @property
    def standing(self) -> list[Finding]:
        return self.engine.standing()

    def kinds(self) -> list[ChangeKind]:
        return [change.kind for change in self.changes if change.kind is not ChangeKind.SESSION]
