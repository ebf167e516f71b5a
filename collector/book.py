"""The working set of one transaction: entries in, changed stations and sessions out.

Everything it needs to know comes through the unit of work that it is given; nothing is remembered between
transactions, so a rolled-back one leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec.structs import replace

from collector import details, numbered
from collector import sessions as life
from laddvakt.billing.assignment import choose
from laddvakt.billing.charge import Charge
from laddvakt.billing.pricing import price
from laddvakt.billing.tariff import Tariff, parse_tariff
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Booted,
    ChargingLimitReported,
    DiagnosticsReported,
    Fact,
    FirmwareReported,
    LinkDown,
    LinkUp,
    Measured,
    Quarantined,
    QuarantineReason,
    SecurityEventReported,
    StatusReported,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
    VariableReported,
    VehicleNeedsReported,
)
from laddvakt.domain.identification import Shown, look_up
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.stations import Connector, ConnectorState, Station, station_state
from laddvakt.stores.ports import Assignment, QuarantineItem, SecurityEvent, Variable, Work

_WITH_ENERGY = {ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}
_BUSY = _WITH_ENERGY | {ConnectorState.FINISHING}
_SILENT = {ConnectorState.PREPARING, ConnectorState.UNKNOWN}
_WITHOUT_SESSION = {ConnectorState.AVAILABLE, ConnectorState.PREPARING, ConnectorState.FAULTED}


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


class Book:
    """Applies entries in order. `write` saves what changed through the same unit of work."""

    def __init__(self, work: Work, *, pseudonym: Callable[[str], str], shelf: TariffShelf) -> None:
        self._work = work
        self._pseudonym = pseudonym
        self._shelf = shelf
        self._stations: dict[str, Station] = {}
        self._seen: dict[str, datetime] = {}  # station -> when it last spoke, of these entries
        self._sessions: dict[str, dict[str, Session]] = {}  # by station: those not ended, and those that changed
        self._assignments: list[Assignment] | None = None
        self.changed_stations: dict[str, Station] = {}
        self.changed_sessions: dict[str, Session] = {}
        self.quarantine: list[QuarantineItem] = []
        self._variables: dict[tuple[str, str], Variable] = {}
        self._security_events: list[SecurityEvent] = []

    def preload(self, station_ids: Iterable[str]) -> None:
        """Reads what the entries of these stations will need, in two queries."""
        wanted = set(station_ids) - self._stations.keys()
        found = self._work.stations.many(wanted)
        for station_id in wanted:
            self._stations[station_id] = found.get(station_id) or Station(station_id=station_id)
            self._sessions[station_id] = {}
        for session in self._work.sessions.unended(wanted):
            self._sessions[session.station_id][session.session_id] = session

    def apply(self, entry: Entry) -> None:
        """One entry. Its station must be preloaded."""
        if entry.kind is EntryKind.OCPP_IN or entry.kind is EntryKind.CONNECTED:
            seen = self._seen.get(entry.station_id, entry.received_at)
            self._seen[entry.station_id] = max(seen, entry.received_at)
        for number, fact in enumerate(entry.facts):
            self._fact(entry, number, fact)

    def write(self) -> None:
        """Saves what changed: sessions with what they cost now, stations with the word for what they do. Both are
        worked out here, once, however often an object changed before."""
        for session_id, session in self.changed_sessions.items():
            self.changed_sessions[session_id] = self._priced(session)
        for station_id in self.changed_stations.keys() | self._seen.keys():
            self.changed_stations[station_id] = self._settled(self._stations[station_id])
        self._work.stations.save(self.changed_stations.values())
        self._work.sessions.save(self.changed_sessions.values())
        if self.quarantine:
            self._work.quarantine.add(self.quarantine)
        if self._variables:
            self._work.inventory.save(self._variables.values())
        if self._security_events:
            self._work.security_log.add(self._security_events)

    # One method per kind of fact; the rest of the facts change nothing here.

    def _fact(self, entry: Entry, number: int, fact: Fact) -> None:
        match fact:
            case LinkUp():
                self._link(entry.station_id, connected=True, protocol=fact.protocol)
            case LinkDown():
                self._link(entry.station_id, connected=False, protocol=None)
            case Booted():
                self._booted(entry.station_id, fact)
            case StatusReported():
                self._status(entry.station_id, fact)
            case TransactionStarted():
                self._started(entry.station_id, fact)
            case TransactionStopped():
                self._stopped(entry, number, fact)
            case TransactionReported():
                self._reported(entry.station_id, fact)
            case Measured() if fact.source == "ocpp":
                self._measured(entry, number, fact)
            case Quarantined():
                self._set_aside(entry, number, fact.reason, fact.detail)
            case _:
                self._detail(entry, number, fact)

    def _detail(self, entry: Entry, number: int, fact: Fact) -> None:
        """What stations and vehicles say beside states and sessions."""
        match fact:
            case FirmwareReported() | DiagnosticsReported() | ChargingLimitReported():
                self._keep(details.of_station(self._stations[entry.station_id], fact))
            case VehicleNeedsReported():
                for session in self._open_on(entry.station_id, fact.connector_id):
                    self._keep_session(details.of_session(session, fact))
            case VariableReported():
                variable = details.variable(entry.station_id, fact)
                self._variables[variable.station_id, variable.variable_id] = variable
            case SecurityEventReported():
                self._security_events.append(details.security_event(entry, number, fact))

    def _link(self, station_id: str, *, connected: bool, protocol: str | None) -> None:
        station = self._stations[station_id]
        connectors = station.connectors
        if not connected:
            # StatusNotifications are not queued offline: what a connector does is unknown until it says so again.
            connectors = tuple(replace(c, status=ConnectorState.UNKNOWN, power_w=None) for c in connectors)
        self._keep(
            replace(station, connected=connected, protocol=protocol or station.protocol, connectors=connectors)
        )

    def _booted(self, station_id: str, fact: Booted) -> None:
        station = self._stations[station_id]
        self._keep(
            replace(
                station,
                vendor=fact.vendor,
                model=fact.model,
                serial_number=fact.serial_number or station.serial_number,
                firmware=fact.firmware or station.firmware,
                booted_at=fact.at,
            )
        )

    def _status(self, station_id: str, fact: StatusReported) -> None:
        if fact.connector_id == 0:
            self._whole_station_status(station_id, fact)
            return
        connector = self._connector(station_id, fact.connector_id)
        if connector.status_since is not None and fact.at < connector.status_since:
            return  # late: what came after it stands
        occupied = fact.reported == "Occupied" and fact.evse_id is not None
        if occupied:
            fact = replace(fact, status=self._occupied(station_id, connector))
        changed = connector.status is not fact.status
        connector = replace(
            connector,
            evse_id=fact.evse_id or connector.evse_id,
            status=fact.status,
            status_since=fact.at if changed or connector.status_since is None else connector.status_since,
            error_code=fact.error_code,
            vendor_error_code=fact.vendor_error_code,
            info=fact.info,
            power_w=connector.power_w if fact.status is ConnectorState.CHARGING else None,
        )
        station = self._with_connector(station_id, connector)
        for session in self._open_on(station_id, fact.connector_id):
            lost_at_reboot = (
                station.booted_at is not None
                and session.started_at < station.booted_at <= fact.at
                and fact.status in _WITHOUT_SESSION
                and not occupied
            )
            if lost_at_reboot:
                self._keep_session(life.close_without_stop(session, fact.at))
            else:
                self._keep_session(life.follow_status(session, fact.status, fact.at))

    def _occupied(self, station_id: str, connector: Connector) -> ConnectorState:
        """OCPP 2.x says no more than that: what the transaction said stands, if there is one."""
        open_here = bool(self._open_on(station_id, connector.connector_id))
        known = _BUSY if open_here else {ConnectorState.FINISHING}
        return connector.status if connector.status in known else ConnectorState.PREPARING

    def _whole_station_status(self, station_id: str, fact: StatusReported) -> None:
        """connectorId 0: only Faulted and Unavailable of the whole station matter to its connectors' tiles."""
        station = self._stations[station_id]
        if fact.status in (ConnectorState.FAULTED, ConnectorState.UNAVAILABLE):
            connectors = tuple(
                replace(c, status=fact.status, status_since=fact.at, error_code=fact.error_code)
                for c in station.connectors
            )
            self._keep(replace(station, connectors=connectors))

    def _started(self, station_id: str, fact: TransactionStarted) -> None:
        station = self._stations[station_id]
        known = self._by_transaction(station_id, fact.transaction_id) if fact.numbered else None
        if known is not None and not numbered.is_another(known, fact):
            driver = self._driver(fact)
            session = numbered.with_start(known, fact, driver)
            session = numbered.settle(session, self._rated_power(session))
            self._keep_session(self._with_tariff(session, driver) if fact.id_tag else session)
            return
        driver = self._driver(fact)
        session = life.begin(fact, station, driver)
        if session.session_id in self._sessions[station_id] or self._work.sessions.get(session.session_id):
            return  # a retried start: the session is there already
        self._take_connector(session)
        self._keep_session(self._with_tariff(session, driver))

    def _take_connector(self, session: Session) -> None:
        """The connector shows this session; an older one that never ended is closed by estimate."""
        if not session.connector_id:
            return  # OCPP 2.x: the station has not said where
        others = [
            other
            for other in self._open_on(session.station_id, session.connector_id)
            if other.session_id != session.session_id
        ]
        if others and life.is_refused(session):
            return  # it ends no live session: the station may turn it away yet
        for other in others:
            if other.started_at <= session.started_at:
                self._keep_session(life.close_without_stop(other, session.started_at))
        if all(other.started_at <= session.started_at for other in others):
            connector = self._connector(session.station_id, session.connector_id)
            self._with_connector(session.station_id, replace(connector, session_id=session.session_id))

    def _reported(self, station_id: str, fact: TransactionReported) -> None:
        """One event of an OCPP 2.x transaction, whichever comes first."""
        station = self._stations[station_id]
        ending = fact.event == "Ended"
        session = self._by_transaction(station_id, fact.transaction_id)
        asked = session is None or session.token is None or fact.refused is not None
        # At the end it is who stopped it, perhaps another.
        driver = self._driver(fact) if asked and not ending else life.Driver()
        if session is None:
            session = numbered.opened(fact, station, driver)
            session = self._with_tariff(session, driver)
        placed = session.connector_id
        session = numbered.heard(session, fact, station)
        if session.token is None and driver.token is not None:
            session = self._with_tariff(numbered.with_driver(session, driver), driver)
        if driver.token is not None and session.token == driver.token:
            session = life.refused(session, fact.refused)
        if numbered.closed_by_us(session) and not self._open_on(station_id, session.connector_id):
            session = numbered.resumed(session, fact)
        if session.state is not SessionState.ENDED and not placed and not ending:
            self._take_connector(session)
        self._charging_state(session, fact)
        self._keep_session(session)

    def _charging_state(self, session: Session, fact: TransactionReported) -> None:
        """What the transaction says of its connector. Events of the time without a link say nothing of now."""
        if not session.connector_id or fact.offline or session.state is SessionState.ENDED:
            return
        connector = self._connector(session.station_id, session.connector_id)
        state = fact.charging_state
        if fact.event == "Ended":
            state = ConnectorState.FINISHING if connector.status in _WITH_ENERGY else None
        late = connector.status_since is not None and fact.at < connector.status_since
        if state is None or state is connector.status or late:
            return
        power = connector.power_w if state is ConnectorState.CHARGING else None
        connector = replace(connector, status=state, status_since=fact.at, power_w=power)
        self._with_connector(session.station_id, connector)

    def _stopped(self, entry: Entry, number: int, fact: TransactionStopped) -> None:
        session = self._by_transaction(entry.station_id, fact.transaction_id)
        if session is None:
            detail = f"stop of transaction {fact.transaction_id}, which never started here"
            self._set_aside(entry, number, QuarantineReason.UNKNOWN_TRANSACTION, detail)
            return
        over = numbered.end if numbered.is_numbered(session) else life.stop
        self._keep_session(over(session, fact, self._rated_power(session)))

    def _measured(self, entry: Entry, number: int, fact: Measured) -> None:
        session = None
        if fact.transaction_id is not None:
            session = self._by_transaction(entry.station_id, fact.transaction_id)
            if session is None:
                detail = f"values of transaction {fact.transaction_id}, which never started here; in the telemetry"
                self._set_aside(entry, number, QuarantineReason.UNKNOWN_TRANSACTION, detail)
        elif fact.connector_id:
            session = next(iter(self._open_on(entry.station_id, fact.connector_id)), None)
        power = next((r.value for r in reversed(fact.readings) if r.field == "power_w"), None)
        if session is not None:
            measure = numbered.measure if numbered.is_numbered(session) else life.measure
            session = measure(session, fact.readings, self._rated_power(session))
            self._keep_session(session)
            power = session.power_w if session.state is not SessionState.ENDED else None
        connector_id = fact.connector_id or (session.connector_id if session else 0)
        if connector_id and self._is_latest(session, fact.readings):
            connector = replace(self._connector(entry.station_id, connector_id), power_w=power)
            if session is not None and numbered.is_numbered(session) and power and connector.status in _SILENT:
                # `Occupied`, and a transaction that does not say its state: energy flows
                connector = replace(connector, status=ConnectorState.CHARGING, status_since=fact.at)
            self._with_connector(entry.station_id, connector)

    def _set_aside(self, entry: Entry, number: int, reason: QuarantineReason, detail: str) -> None:
        self.quarantine.append(
            QuarantineItem(
                item_id=details.item_id("Q-", entry, number, detail),
                station_id=entry.station_id,
                received_at=entry.received_at,
                reason=reason,
                detail=detail,
                raw=entry.raw,
            )
        )

    # What the methods above share.

    @staticmethod
    def _is_latest(session: Session | None, readings: tuple[Reading, ...]) -> bool:
        return session is None or session.last_reading_at is None or readings[-1].at >= session.last_reading_at

    def _keep(self, station: Station) -> None:
        self._stations[station.station_id] = self.changed_stations[station.station_id] = station

    def _settled(self, station: Station) -> Station:
        seen = [at for at in (station.last_seen, self._seen.get(station.station_id)) if at is not None]
        state = station_state(connected=station.connected, statuses=[c.status for c in station.connectors])
        return replace(station, last_seen=max(seen, default=None), state=state)

    def _connector(self, station_id: str, connector_id: int) -> Connector:
        return self._stations[station_id].connector(connector_id) or Connector(connector_id=connector_id)

    def _with_connector(self, station_id: str, connector: Connector) -> Station:
        station = self._stations[station_id]
        if station.connector(connector.connector_id) != connector:
            others = [c for c in station.connectors if c.connector_id != connector.connector_id]
            connectors = tuple(sorted([*others, connector], key=lambda c: c.connector_id))
            station = replace(station, connectors=connectors)
            self._keep(station)
        return station

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

    def _rated_power(self, session: Session) -> float | None:
        station = self._stations[session.station_id]
        connector = station.connector(session.connector_id)
        return (connector.max_power_w if connector else None) or station.max_power_w

    def _driver(self, fact: TransactionStarted | TransactionReported) -> life.Driver:
        if not fact.id_tag:
            return life.Driver(kind=fact.token_kind)
        shown = Shown(fact.id_tag, fact.token_kind)
        token, known = look_up(shown, self._pseudonym, self._work.tokens.get)
        if known is None:
            return life.Driver(token=token, kind=fact.token_kind)
        driver = self._work.tokens.driver(known.driver_id) if known.driver_id else None
        plan = driver.plan if driver else None
        return life.Driver(token=token, kind=known.kind, driver_id=known.driver_id, plan=plan)

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
        self.changed_sessions[session.session_id] = session
        self._sessions[session.station_id][session.session_id] = session
        if session.state is not SessionState.ENDED:
            return
        connector = self._stations[session.station_id].connector(session.connector_id)
        if connector is not None and connector.session_id == session.session_id:
            self._with_connector(session.station_id, replace(connector, session_id=None, power_w=None))

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
