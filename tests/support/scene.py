"""A charging network in the middle of its day, for tests of pages: stations, sessions, tickets, users."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

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
from laddvakt.stores.ports import User, Work
from tests.support.webapp import PASSWORD, quick_hash


def add_users(work: Work) -> None:
    """`viewer`, `maintainer`, `manager` and `admin`, all with PASSWORD."""
    for role in ("viewer", "maintainer", "manager", "admin"):
        work.people.save_user(User(name=role, role=role, password_hash=quick_hash(PASSWORD)))


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


# By the number of the station; the others charge. Number 17 is offline.
_STATES = {
    **dict.fromkeys((2, 5, 7, 11, 14, 19, 22), ConnectorState.AVAILABLE),
    **dict.fromkeys((3, 13, 20), ConnectorState.SUSPENDED_EV),
    8: ConnectorState.FAULTED,
    10: ConnectorState.UNAVAILABLE,
    17: ConnectorState.AVAILABLE,
}

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
    number = int(station_id[-3:]) % 25
    status, connected, fast = _STATES.get(number, ConnectorState.CHARGING), number != 17, chance.random() < 0.5
    made = station(
        station_id,
        status,
        ConnectorState.AVAILABLE,
        connected=connected,
        site_id=site_id,
        last_seen=now - timedelta(minutes=0 if connected else 47),
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
