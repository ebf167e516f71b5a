"""A dashboard for tests: seeded records, a live feed inside the process, and a real server on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from dashboard.context import AppContext, Handler
from dashboard.passwords import hash_password
from laddvakt.clock import utc_now
from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Cost, CostLine, Quality, Session, SessionState
from laddvakt.domain.stations import Connector, ConnectorState, Site, Station, StationState, station_state
from laddvakt.domain.tickets import (
    Asset,
    Evidence,
    Severity,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
)
from laddvakt.privacy import FieldCipher
from laddvakt.settings import Settings
from laddvakt.stores.ports import Point, Sample, User, Work
from laddvakt.stores.sql.engine import SqlRecords

PASSWORD = "correct horse battery"
_HASH = hash_password(PASSWORD)


class FakeFeed:
    """A live feed inside the process. `say` may be called from any thread."""

    def __init__(self) -> None:
        self.connected = True
        self._handlers: list[tuple[asyncio.AbstractEventLoop, Handler]] = []
        self._reconnected: list[Callable[[], None]] = []

    async def publish(self, kind: str, data: bytes) -> None:
        for _, handler in list(self._handlers):
            handler(kind, data)

    async def subscribe(self, handler: Handler) -> Callable[[], None]:
        item = (asyncio.get_running_loop(), handler)
        self._handlers.append(item)
        return lambda: self._handlers.remove(item)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self._reconnected.append(callback)

    def say(self, kind: str, value: Any) -> None:
        data = msgspec.json.encode(value)
        for loop, handler in list(self._handlers):
            with contextlib.suppress(RuntimeError):  # that server is just being stopped
                loop.call_soon_threadsafe(handler, kind, data)

    def pulse(self, at: datetime | None = None) -> None:
        self.say("pulse", {"service": "recorder", "at": (at or utc_now()).isoformat(), "lag_s": 0.1})

    def reconnect(self) -> None:
        for loop, _ in self._handlers[:1]:
            for callback in self._reconnected:
                loop.call_soon_threadsafe(callback)


class FakeTelemetry:
    """Time series in a dictionary; see ports.Telemetry."""

    def __init__(self) -> None:
        self._points: list[Point] = []

    def write(self, points: Iterable[Point]) -> None:
        self._points.extend(points)

    def read(
        self,
        *,
        station_id: str,
        connector_id: int | None,
        fields: Sequence[str],
        from_: datetime,
        to: datetime,
        source: str = "ocpp",
        limit: int = 100_000,
    ) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = {}
        for point in sorted(self._points, key=lambda point: point.at):
            here = point.station_id == station_id and connector_id in {None, point.connector_id}
            if not here or point.source != source or not from_ <= point.at < to:
                continue
            for name in fields:
                if name in point.values and len(found.setdefault(name, [])) < limit:
                    found[name].append(Sample(at=point.at, value=point.values[name]))
        return found

    def fields(self, *, station_id: str, from_: datetime, to: datetime) -> set[str]:
        return {name for point in self._points if point.station_id == station_id for name in point.values}

    def expire(self, before: date) -> None:
        self._points = [point for point in self._points if point.at.date() >= before]

    def close(self) -> None:
        self._points.clear()


def open_test_records(url: str = "sqlite://") -> SqlRecords:
    records = SqlRecords(url, FieldCipher("test"), currency="SEK")
    records.migrate()
    return records


def add_users(work: Work) -> None:
    """`viewer`, `maintainer`, `manager` and `admin`, all with PASSWORD."""
    for role in ("viewer", "maintainer", "manager", "admin"):
        work.people.save_user(User(name=role, role=role, password_hash=_HASH))


def cost(energy_wh: int, *, price: str = "3.95", currency: str = "SEK") -> Cost:
    quantity = Decimal(energy_wh) / 1000
    excl = (quantity * Decimal(price)).quantize(Decimal("0.0001"))
    vat = (excl * Decimal("0.25")).quantize(Decimal("0.0001"))
    line = CostLine(
        component="ENERGY",
        quantity=quantity,
        unit="kWh",
        price=Decimal(price),
        vat_pct=Decimal(25),
        excl_vat=excl,
        vat=vat,
    )
    return Cost(
        excl_vat=Money(amount=excl, currency=currency),
        vat=Money(amount=vat, currency=currency),
        incl_vat=Money(amount=excl + vat, currency=currency),
        lines=(line,),
    )


def station(station_id: str, *statuses: ConnectorState, connected: bool = True, **more: Any) -> Station:
    connectors = tuple(
        Connector(
            connector_id=number, status=status, error_code="GroundFailure" if status == "Faulted" else "NoError"
        )
        for number, status in enumerate(statuses, 1)
    )
    return Station(
        station_id=station_id,
        connected=connected,
        connectors=connectors,
        state=station_state(connected=connected, statuses=list(statuses)),
        **{"vendor": "Kempower", "model": "S-Series", "firmware": "4.2.1", "registered": True, **more},
    )


def session(session_id: str, station_id: str, *, now: datetime, minutes: int = 25, **more: Any) -> Session:
    energy_wh = int(more.pop("energy_wh", 9340))
    return Session(
        session_id=session_id,
        station_id=station_id,
        transaction_id=session_id,
        started_at=now - timedelta(minutes=minutes),
        duration_s=minutes * 60,
        energy_wh=energy_wh,
        **{
            "connector_id": 1,
            "power_w": 42_700.0,
            "soc_pct": 61.0,
            "charging_type": "DC",
            "cost": cost(energy_wh),
            "meter_start_wh": 1_000_000,
            "tariff_id": "standard",
            "tariff_version": 1,
            **more,
        },
    )


def ticket(ticket_id: str, station_id: str, *, now: datetime, minutes: int = 12, **more: Any) -> Ticket:
    opened = now - timedelta(minutes=minutes)
    return Ticket(
        ticket_id=ticket_id,
        station_id=station_id,
        opened_at=opened,
        updated_at=opened,
        **{
            "fault": "reported_fault",
            "asset": Asset(kind="station", id=station_id),
            "severity": Severity.P2,
            "probable_cause": "Residual current detected: insulation of the cable or the vehicle inlet.",
            "explanation": "The station has reported GroundFailure on connector 1 for more than 60 s.",
            "suggested_action": "Inspect the cable and reset the RCD; replace the cable if it trips again.",
            "evidence": (
                Evidence(label="Error code", value="GroundFailure", threshold="other than NoError", at=opened),
                Evidence(label="Lasted", value="74 s", threshold="60 s", peers="0 of 3 stations at the site"),
            ),
            "events": (TicketEvent(at=opened, action=TicketAction.OPENED, actor="detector", detail="reported"),),
            "confidence": 0.94,
            **more,
        },
    )


_SITES = (
    ("hamnen", "Norra hamnen"),
    ("centrum", "Centrum P-hus"),
    ("e4", "Rastplats E4 Nord"),
    ("kopcenter", "Köpcentrum Väst"),
    ("depa", "Bussdepån"),
)


def seed(work: Work, *, now: datetime, stations: int = 25, seed: int = 7) -> None:
    """A network in the middle of its day: sites, stations in every state, running and ended sessions, tickets."""
    chance = random.Random(seed)
    add_users(work)
    sites = [Site(site_id=key, name=name, timezone="Europe/Stockholm", currency="SEK") for key, name in _SITES]
    work.stations.save_sites(sites)
    everything: list[Station] = []
    sessions: list[Session] = []
    for number in range(stations):
        site = sites[number * len(sites) // stations]
        made, running = _one(f"SE-{number + 1:03d}", site.site_id, now, chance)
        everything.append(made)
        sessions += running
    sessions += [_ended(number, chance.choice(everything), now, chance) for number in range(stations * 12)]
    work.stations.save(everything)
    work.sessions.save(sessions)
    for made in _tickets(everything, now):
        work.tickets.save(made)


def _one(station_id: str, site_id: str, now: datetime, chance: random.Random) -> tuple[Station, list[Session]]:
    roll = chance.random()
    fast = chance.random() < 0.5
    status = (
        ConnectorState.CHARGING
        if roll < 0.52
        else ConnectorState.AVAILABLE
        if roll < 0.76
        else ConnectorState.SUSPENDED_EV
        if roll < 0.86
        else ConnectorState.FAULTED
        if roll < 0.92
        else ConnectorState.UNAVAILABLE
        if roll < 0.95
        else ConnectorState.AVAILABLE
    )
    made = station(
        station_id,
        status,
        ConnectorState.AVAILABLE,
        connected=roll < 0.95,
        site_id=site_id,
        last_seen=now - timedelta(minutes=47 if roll >= 0.95 else 0),
        max_power_w=150_000 if fast else 22_000,
        current="DC" if fast else "AC",
        protocol="ocpp1.6",
    )
    if made.state is not StationState.CHARGING:
        return made, []
    energy = chance.randrange(800, 48_000)
    running = session(
        f"S-live-{station_id}",
        station_id,
        now=now,
        minutes=chance.randrange(2, 95),
        energy_wh=energy,
        site_id=site_id,
        power_w=chance.uniform(28_000, 142_000) if fast else chance.choice((3_680.0, 7_360.0, 11_040.0, 21_900.0)),
        soc_pct=float(chance.randrange(18, 92)) if fast else None,
        charging_type="DC" if fast else "AC",
        quality=Quality.CONFIRMED,
    )
    return made, [running]


def _ended(number: int, at: Station, now: datetime, chance: random.Random) -> Session:
    energy = chance.randrange(2_000, 60_000)
    ended = now - timedelta(minutes=chance.randrange(1, 60 * 24 * 9))
    minutes = chance.randrange(10, 180)
    held = chance.random() < 0.03
    return session(
        f"S-ended-{number:05d}",
        at.station_id,
        now=ended,
        minutes=minutes,
        energy_wh=energy,
        site_id=at.site_id,
        state=SessionState.ENDED,
        ended_at=ended,
        power_w=None,
        soc_pct=None,
        charging_type=at.current,
        stop_reason="Local",
        quality=Quality.SUSPECT if held else Quality.CONFIRMED,
        quality_reasons=("register rose by more than the rated power allows",) if held else (),
    )


def _tickets(stations: list[Station], now: datetime) -> Iterator[Ticket]:
    faulted = [made for made in stations if made.state is StationState.FAULTED]
    offline = [made for made in stations if made.state is StationState.OFFLINE]
    for number, made in enumerate(faulted[:4]):
        yield ticket(f"T-fault{number}", made.station_id, now=now, minutes=6 + 30 * number, site_id=made.site_id)
    for number, made in enumerate(offline[:4]):
        yield ticket(
            f"T-off{number}",
            made.station_id,
            now=now,
            minutes=32 + number,
            site_id=made.site_id,
            fault="offline",
            severity=Severity.P2,
            state=TicketState.ACKNOWLEDGED,
            probable_cause="No frame for 15 min: power or network at the station.",
        )
    some = stations[len(stations) // 2]
    yield ticket(
        "T-heat",
        some.station_id,
        now=now,
        minutes=3,
        site_id=some.site_id,
        fault="plug_overheat",
        severity=Severity.P1,
        connector_id=1,
        asset=Asset(kind="cable", id=f"{some.station_id}/1"),
        probable_cause="The plug has reached 96 °C at 28 A: worn contact or loose crimp.",
    )
    other = stations[2]
    yield ticket(
        "T-power",
        other.station_id,
        now=now,
        minutes=190,
        site_id=other.site_id,
        fault="no_power",
        severity=Severity.P3,
        connector_id=1,
        asset=Asset(kind="connector", id=f"{other.station_id}/1"),
        probable_cause="Charging with under 50 W for 90 s with two vehicles: contactor or power module.",
    )


@dataclass(kw_only=True)
class Running:
    """A dashboard on a real socket, in a thread of its own. `stop` and `start` may be called again and again."""

    context: AppContext
    port: int = 0
    server: uvicorn.Server | None = None
    thread: threading.Thread | None = None
    app: Any = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def feed(self) -> FakeFeed:
        assert isinstance(self.context.feed, FakeFeed)
        return self.context.feed

    def start(self) -> Running:
        from dashboard.app import create_app

        self.app = create_app(self.context)
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        ready = threading.Event()

        async def serve() -> None:
            assert self.server is not None
            running = asyncio.create_task(self.server.serve(sockets=[listener]))
            while not self.server.started and not running.done():  # noqa: ASYNC110  uvicorn has no event for it
                await asyncio.sleep(0.01)
            ready.set()
            await running

        self.thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self.thread.start()
        assert ready.wait(20), "the dashboard did not start"
        return self

    def stop(self) -> None:
        if self.server is None or self.thread is None:
            return
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "the dashboard did not stop"
        self.server = self.thread = None


def make_context(folder: Path, *, stations: int = 25, timezone: str = "Europe/Stockholm") -> AppContext:
    """A context over seeded records in `folder`."""
    records = open_test_records(f"sqlite:///{folder / 'records.sqlite'}")
    with records.begin() as work:
        seed(work, now=utc_now(), stations=stations)
    settings = Settings(data_dir=folder, timezone=timezone, currency="SEK")
    return AppContext(
        settings=settings, records=records, telemetry=FakeTelemetry(), feed=FakeFeed(), clock=utc_now
    )
