"""The working set of one transaction: stations and sessions as they are now, and what changed.

Everything comes through the unit of work that it is given; nothing is remembered between transactions, so a
rolled-back one leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from collector import details, meter_check
from collector import sessions as life
from collector.orders import Orders
from laddvakt.billing.assignment import choose
from laddvakt.billing.charge import Charge
from laddvakt.billing.pricing import price
from laddvakt.billing.tariff import Tariff, parse_tariff
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import QuarantineReason, TransactionReported, TransactionStarted, TransactionStopped
from laddvakt.domain.history import Transition
from laddvakt.domain.identification import Shown, look_up
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.stations import Connector, Station, station_state
from laddvakt.domain.tokens import Token, TokenKind
from laddvakt.settings import SessionsSettings
from laddvakt.stores.ports import Assignment, QuarantineItem, SecurityEvent, Variable, Work

ANNOUNCED_WITHIN = timedelta(minutes=10)
"""How long after a vehicle was announced a transaction at its connector is taken for its."""

_SKEW = timedelta(minutes=1)  # by which a station's clock may run behind ours
_FEW = 10  # sessions of a station that may begin meanwhile


class TariffShelf:
    """Parsed tariff versions; a version never changes, so it is parsed once. Bounded at 1000."""

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, int], Tariff] = {}

    def get(self, work: Work, tariff_id: str, version: int) -> Tariff | None:
        key = (tariff_id, version)
        if key not in self._parsed:
            stored = work.tariffs.get(tariff_id, version)
            if stored is None:
                return None
            if len(self._parsed) >= 1000:
                self._parsed.clear()
            self._parsed[key] = parse_tariff(stored.ocpi)
        return self._parsed[key]


class WorkingSet:
    """Reads each station and its open sessions once, and saves what changed once."""

    def __init__(
        self, work: Work, *, pseudonym: Callable[[str], str], shelf: TariffShelf, settings: SessionsSettings
    ) -> None:
        self._work = work
        self._settings = settings
        self._pseudonym = pseudonym
        self._shelf = shelf
        self._stations: dict[str, Station] = {}
        self._seen: dict[str, datetime] = {}  # station -> when it last spoke, of these entries
        self._sessions: dict[str, dict[str, Session]] = {}  # by station: those not ended, and those that changed
        self._assignments: list[Assignment] | None = None
        self.changed_stations: dict[str, Station] = {}
        self.changed_sessions: dict[str, Session] = {}
        self.quarantine: list[QuarantineItem] = []
        self._settled_items: dict[str, QuarantineItem] = {}
        self._variables: dict[tuple[str, str], Variable] = {}
        self._security_events: list[SecurityEvent] = []
        self._history: list[Transition] = []
        self._orders = Orders(work, self._token_of)

    def preload(self, station_ids: Iterable[str]) -> None:
        """Reads what the entries of these stations will need, in two queries."""
        wanted = set(station_ids) - self._stations.keys()
        found = self._work.stations.many(wanted)
        for station_id in wanted:
            self._stations[station_id] = found.get(station_id) or Station(station_id=station_id)
            self._sessions[station_id] = {}
        for session in self._work.sessions.unended(wanted):
            self._sessions[session.station_id][session.session_id] = session

    def write(self) -> None:
        """Saves what changed: sessions with what they cost now, stations with the word for what they do. Both are
        worked out here, once, however often an object changed before."""
        for session_id, session in self.changed_sessions.items():
            self.changed_sessions[session_id] = self._priced(session)
        for station_id in self.changed_stations.keys() | self._seen.keys():
            self.changed_stations[station_id] = self._settled(self._stations[station_id])
        self._work.stations.save(self.changed_stations.values())
        self._work.sessions.save(self.changed_sessions.values())
        self._orders.write()
        if self.quarantine:
            self._work.quarantine.add(self.quarantine)
        if self._settled_items:
            self._work.quarantine.save(self._settled_items.values())
        if self._variables:
            self._work.inventory.save(self._variables.values())
        if self._history:
            self._work.history.add(self._history)
        if self._security_events:
            self._work.security_log.add(self._security_events)

    def _note(self, station: Station, connectors: Iterable[Connector], at: datetime) -> None:
        """A change of status or link, for the figures."""
        for connector in connectors:
            self._history.append(
                Transition(
                    station_id=station.station_id,
                    connector_id=connector.connector_id,
                    at=at,
                    status=connector.status,
                    connected=station.connected,
                    error_code=connector.error_code,
                )
            )

    def _keep(self, station: Station) -> None:
        self._stations[station.station_id] = self.changed_stations[station.station_id] = station

    def _settled(self, station: Station) -> Station:
        seen = [at for at in (station.last_seen, self._seen.get(station.station_id)) if at is not None]
        state = station_state(connected=station.connected, statuses=[c.status for c in station.connectors])
        return replace(station, last_seen=max(seen, default=None), state=state)

    def _reprocessable(self, item_id: str) -> QuarantineItem | None:
        """The item of a message that is read again; None when it was settled before, or is of another store."""
        item = self._settled_items.get(item_id) or self._work.quarantine.get(item_id)
        return item if item is not None and item.state is QuarantineState.OPEN else None

    def _reprocessed(self, item: QuarantineItem, entry: Entry, refused: list[QuarantineItem]) -> None:
        """Writes down what became of it: it took effect, or is still refused, perhaps for another reason."""
        again = entry.reprocessing
        assert again is not None  # noqa: S101  # that is how the item was found
        if refused:
            item = replace(item, reason=refused[0].reason, detail=refused[0].detail, tried_at=again.at)
        else:
            item = replace(
                item,
                state=QuarantineState.REPROCESSED,
                tried_at=again.at,
                settled_at=again.at,
                settled_by=again.by,
                outcome=", ".join(dict.fromkeys(type(fact).__name__ for fact in entry.facts)) or "nothing new",
            )
        self._settled_items[item.item_id] = item

    def _set_aside(self, entry: Entry, number: int, reason: QuarantineReason, detail: str) -> None:
        self.quarantine.append(
            QuarantineItem(
                item_id=details.item_id("Q-", entry, number, detail),
                station_id=entry.station_id,
                received_at=entry.received_at,
                reason=reason,
                detail=detail,
                raw=entry.raw,
                kind=entry.kind,
                protocol=entry.protocol,
                topic=entry.topic,
            )
        )

    def _connector(self, station_id: str, connector_id: int) -> Connector:
        return self._stations[station_id].connector(connector_id) or Connector(connector_id=connector_id)

    def _with_connector(self, station_id: str, connector: Connector) -> Station:
        station = self._stations[station_id]
        before = station.connector(connector.connector_id)
        if before == connector:
            return station
        if before is None:
            connectors = tuple(sorted([*station.connectors, connector], key=lambda c: c.connector_id))
        else:
            connectors = tuple(connector if c is before else c for c in station.connectors)
        station = replace(station, connectors=connectors)
        self._keep(station)
        said = before is None or before.status is not connector.status
        if said and connector.status_since is not None:  # else only a device has spoken of it
            self._note(station, (connector,), connector.status_since)
        return station

    def _open(self, station_id: str) -> list[Session]:
        return [s for s in self._sessions[station_id].values() if s.state is not SessionState.ENDED]

    def _open_on(self, station_id: str, connector_id: int) -> list[Session]:
        return [
            session
            for session in self._sessions[station_id].values()
            if session.connector_id == connector_id and session.state is not SessionState.ENDED
        ]

    def _by_transaction(self, station_id: str, transaction_id: str) -> Session | None:
        here = [s for s in self._sessions[station_id].values() if s.transaction_id == transaction_id]
        if here:
            return max(here, key=lambda s: s.started_at)
        return self._work.sessions.by_transaction(station_id, transaction_id)

    def _recent(self, station_id: str, limit: int) -> list[Session]:
        """The station's last sessions, newest first, as they are now."""
        found = {session.session_id: session for session in self._work.sessions.recent(station_id, None, limit)}
        found |= self._sessions[station_id]
        return sorted(found.values(), key=lambda session: session.started_at, reverse=True)

    def _session(self, session_id: str) -> Session | None:
        return self.changed_sessions.get(session_id) or self._work.sessions.get(session_id)

    def _is_known(self, session: Session) -> bool:
        here = session.session_id in self._sessions[session.station_id]
        return here or self._work.sessions.get(session.session_id) is not None

    def _rated_power(self, session: Session) -> float | None:
        station = self._stations[session.station_id]
        connector = station.connector(session.connector_id)
        return (connector.max_power_w if connector else None) or station.max_power_w

    def _driver(self, fact: TransactionStarted | TransactionStopped | TransactionReported) -> life.Driver:
        if not fact.id_tag:
            return life.Driver(kind=fact.token_kind)
        shown = Shown(fact.id_tag, fact.token_kind)
        token, known = look_up(shown, self._pseudonym, self._work.tokens.get)
        return life.Driver(token=token, kind=fact.token_kind) if known is None else self._driver_of(known)

    def _driver_of(self, known: Token) -> life.Driver:
        driver = self._work.tokens.driver(known.driver_id) if known.driver_id else None
        plan = driver.plan if driver else None
        return life.Driver(token=known.token, kind=known.kind, driver_id=known.driver_id, plan=plan)

    def _starter(self, station_id: str, fact: TransactionStarted) -> life.Driver:
        """Who starts: by the token; where that is nobody's, by the vehicle that the station announced before."""
        driver = self._driver(fact)
        if driver.driver_id is not None:
            return driver
        vehicle = self._work.tokens.vehicle(station_id, fact.connector_id)
        if vehicle is None or not -_SKEW <= fact.at - vehicle.seen_at <= ANNOUNCED_WITHIN:
            return driver
        since = [s for s in self._recent(station_id, _FEW) if s.started_at >= vehicle.seen_at]
        if any(s.connector_id == fact.connector_id and s.transaction_id != fact.transaction_id for s in since):
            return driver  # it has had its session
        known = self._work.tokens.get(vehicle.token)
        return driver if known is None or known.driver_id is None else self._driver_of(known)

    def _token_of(self, id_tag: str, kind: TokenKind | None = None) -> str:
        return look_up(Shown(id_tag, kind), self._pseudonym, self._work.tokens.get)[0]

    def _with_tariff(self, session: Session, driver: life.Driver) -> Session:
        """Freezes the tariff version that is valid at the start."""
        if self._assignments is None:
            self._assignments = self._work.tariffs.assignments()
        chosen = choose(
            self._assignments,
            station_id=session.station_id,
            site_id=session.site_id,
            connector_id=session.connector_id,
            plan=driver.plan,
            at=session.started_at,
        )
        version = self._work.tariffs.get(chosen.tariff_id) if chosen else None
        if version is None:
            return session
        return replace(session, tariff_id=version.tariff_id, tariff_version=version.version)

    def _keep_session(self, session: Session) -> None:
        """Puts a session where it belongs; an ended one leaves its connector. `write` prices it, once, however
        often it changes before."""
        if session.state is SessionState.ENDED:
            session = meter_check.judged(session, self._settings)
        self.changed_sessions[session.session_id] = session
        self._sessions[session.station_id][session.session_id] = session
        if session.state is not SessionState.ENDED:
            return
        connector = self._stations[session.station_id].connector(session.connector_id)
        if connector is not None and connector.session_id == session.session_id:
            waits = session.session_id if session.meter_check else None
            connector = replace(connector, session_id=None, power_w=None, meter_session_id=waits)
            self._with_connector(session.station_id, connector)

    def _priced(self, session: Session) -> Session:
        if session.tariff_id is None or session.tariff_version is None:
            return session
        tariff = self._shelf.get(self._work, session.tariff_id, session.tariff_version)
        if tariff is None:
            return session
        until = session.ended_at or session.last_reading_at or session.started_at
        charge = Charge(
            started_at=session.started_at,
            until=max(until, session.started_at),
            energy_wh=session.energy_wh,
            final=session.state is SessionState.ENDED,
        )
        return replace(session, cost=price(tariff, charge))
