"""Figures folded from stretches of time are those of the whole time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest

from laddvakt.domain.history import Transition
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Asset, Severity, Ticket, TicketAction, TicketEvent, apply_event
from laddvakt.kpi import fold
from laddvakt.kpi.fold import Ask, Stretch, reckon, stretches
from laddvakt.kpi.report import GROUPS, METRICS, Fleet, calendar
from laddvakt.kpi.spans import Span

START = datetime(2026, 10, 1, tzinfo=UTC)
WHOLE: Span = (START, START + timedelta(days=40))
STATES = [*ConnectorState]


def _fleet() -> Fleet:
    stations = [
        Station(
            station_id=f"SE-{n}", site_id=f"site-{n % 2}", vendor="Acme", model=f"M{n % 2}", max_power_w=50_000,
            connectors=(Connector(connector_id=1), Connector(connector_id=2)),
        )
        for n in range(3)
    ]  # fmt: skip
    opened = START + timedelta(days=9, hours=5)
    ticket = Ticket(
        ticket_id="T", fault="no_power", asset=Asset(kind="site", id="site-1"), station_id="SE-1",
        severity=Severity.P2, opened_at=opened, updated_at=opened, resolved_at=opened + timedelta(days=3),
    )  # fmt: skip
    silence = Silence(
        silence_id="Q", scope=SilenceScope.STATION, target="SE-0", from_=START + timedelta(days=4),
        until=START + timedelta(days=12), reason="work", created_by="eva", created_at=START,
    )  # fmt: skip
    return Fleet(stations=stations, sites=[], tickets=[ticket], silences=[silence])


def _past(seed: int) -> tuple[list[Transition], list[Session]]:
    chance = random.Random(seed)
    changes, sessions = [], []
    for n in range(3):
        for connector in (1, 2):
            at = START - timedelta(days=1)
            while at < WHOLE[1]:
                at += timedelta(minutes=chance.choice((1, 7, 90, 900, 5000)))
                changes.append(
                    Transition(
                        station_id=f"SE-{n}", connector_id=connector, at=at, status=chance.choice(STATES),
                        connected=chance.random() < 0.8,
                    )
                )  # fmt: skip
                if chance.random() < 0.4:
                    began = at + timedelta(minutes=chance.choice((0, 1, 30)))
                    sessions.append(
                        Session(
                            session_id=f"{n}-{connector}-{len(sessions)}", station_id=f"SE-{n}", transaction_id="",
                            connector_id=connector, site_id=f"site-{n % 2}", state=SessionState.ENDED,
                            started_at=began, ended_at=began + timedelta(minutes=chance.choice((3, 600, 3000))),
                            energy_wh=chance.choice((0, 9000)), stop_reason=chance.choice(("Local", "PowerLoss")),
                            token=chance.choice((None, "a", "b")),
                        )
                    )  # fmt: skip
    return sorted(changes, key=lambda t: t.at), sessions


def _told(spans: list[Span], changes: list[Transition], sessions: list[Session]) -> list[Stretch]:
    return [
        Stretch(
            (start, end),
            [t for t in changes if start <= t.at < end],
            [s for s in sessions if start <= s.started_at < end],
        )
        for start, end in spans
    ]


@pytest.mark.parametrize("seed", range(5))
def test_stretches_of_any_length_give_the_same_figures(seed: int) -> None:
    changes, sessions = _past(seed)
    last = {(t.station_id, t.connector_id): t for t in changes if t.at < START}
    asks = [Ask(metric, group_by, [("", WHOLE)]) for metric in METRICS for group_by in GROUPS]
    at_once = reckon(_fleet(), asks, last.values(), _told([WHOLE], changes, sessions))
    days = [(START + timedelta(days=n), START + timedelta(days=n + 1)) for n in range(40)]
    for one, other in zip(
        at_once, reckon(_fleet(), asks, last.values(), _told(days, changes, sessions)), strict=True
    ):
        assert [(f.metric, f.key) for f in one] == [(f.metric, f.key) for f in other]
        for figure, again in zip(one, other, strict=True):
            assert (again.numerator, again.denominator, again.excluded_minutes) == pytest.approx(
                (figure.numerator, figure.denominator, figure.excluded_minutes), abs=0.05
            ), figure


def test_months_add_up_to_the_whole() -> None:
    changes, sessions = _past(7)
    last = {(t.station_id, t.connector_id): t for t in changes if t.at < START}
    months = calendar(WHOLE, ZoneInfo("Europe/Stockholm"), "month")
    assert [name for name, _ in months] == ["2026-10", "2026-11"]
    for metric in ("availability", "session_success", "first_attempt"):
        asks = [Ask(metric, "fleet", [("", WHOLE)]), Ask(metric, "fleet", months)]
        (whole,), parts = reckon(_fleet(), asks, last.values(), _told(stretches(asks, 6), changes, sessions))
        assert sum(part.numerator for part in parts) == pytest.approx(whole.numerator, abs=0.05)
        assert sum(part.denominator for part in parts) == pytest.approx(whole.denominator, abs=0.05)


def test_a_stretch_never_holds_more_than_is_said() -> None:
    year: Span = (START, START + timedelta(days=365))
    asks = [Ask("nevi", "fleet", [("", year)])]
    for connectors in (0, 25, 5_000, 100_000):
        spans = stretches(asks, connectors)
        assert (spans[0][0], spans[-1][1]) == year
        assert all(one[1] == following[0] for one, following in pairwise(spans))
        longest = max(end - start for start, end in spans)
        assert longest <= timedelta(days=max(1, fold.PORT_DAYS // max(connectors, 1)))
        assert longest <= timedelta(days=fold.LONGEST_DAYS)


def test_a_fault_that_came_back_was_no_outage_in_between() -> None:
    """Open for an hour, away for a day, open for two hours: three hours, for the ports and for who mends."""
    fleet = _fleet()
    (ticket,) = fleet.tickets
    ticket = msgspec.structs.replace(ticket, resolved_at=None)
    for action, hours in ((TicketAction.CLEARED, 1), (TicketAction.REOPENED, 25), (TicketAction.RESOLVED, 27)):
        at = ticket.opened_at + timedelta(hours=hours)
        ticket = apply_event(ticket, TicketEvent(at=at, action=action, actor="detector"))
    fleet = fleet._replace(tickets=[ticket], silences=[])
    available = [
        Transition(
            station_id="SE-1", connector_id=1, at=START, status=ConnectorState.AVAILABLE, connected=True
        )
    ]  # fmt: skip
    asks = [Ask(metric, "connector", [("", WHOLE)]) for metric in ("availability", "time_to_repair")]
    up, repair = reckon(fleet, asks, available, _told([WHOLE], [], []))
    port = next(figure for figure in up if figure.key == "SE-1/1")
    assert port.denominator - port.numerator == pytest.approx(3 * 60)
    assert [figure.numerator for figure in repair] == [3 * 60]
