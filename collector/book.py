"""What each fact does to connectors and sessions: entries in, a changed working set out."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from collector import matching, meter_check, numbered, unstarted
from collector import sessions as life
from collector.quality import STOP_MATCHED, closed_by_us, doubt, with_hole
from collector.station_book import StationBook
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Booted,
    Fact,
    LinkDown,
    LinkUp,
    Measured,
    NotObserved,
    Quarantined,
    QuarantineReason,
    StatusReported,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import Connector, ConnectorState

_WITH_ENERGY = {ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}
_BUSY = _WITH_ENERGY | {ConnectorState.FINISHING}
_SILENT = {ConnectorState.PREPARING, ConnectorState.UNKNOWN}
_WITHOUT_SESSION = {ConnectorState.AVAILABLE, ConnectorState.PREPARING, ConnectorState.FAULTED}
_MAX_DETAIL = 200
_LAST = 3  # sessions looked at for one that a late message belongs to


class Book(StationBook):
    """Applies entries in order. `write` saves what changed through the same unit of work."""

    def apply(self, entry: Entry) -> None:
        """One entry. Its station must be preloaded."""
        if entry.reprocessing is not None:
            self._read_again(entry, entry.reprocessing.item_id)
            return
        if entry.kind is EntryKind.OCPP_IN or entry.kind is EntryKind.CONNECTED:
            seen = self._seen.get(entry.station_id, entry.received_at)
            self._seen[entry.station_id] = max(seen, entry.received_at)
            station = self._stations[entry.station_id]
            if not station.connected:  # whoever speaks is there, whatever was said of the link
                self._keep(replace(station, connected=True))
        self._facts(entry)

    def _facts(self, entry: Entry) -> None:
        for number, fact in enumerate(entry.facts):
            self._fact(entry, number, fact)

    def _read_again(self, entry: Entry, item_id: str) -> None:
        """A message that was set aside, read again: once, and it says nothing of when the station was heard."""
        item = self._reprocessable(item_id)
        if item is None:
            return
        before = len(self.quarantine)
        self._facts(entry)
        refused = self.quarantine[before:]
        del self.quarantine[before:]
        self._reprocessed(item, entry, refused)

    # One method per kind of fact; the rest of the facts change nothing here.

    def _fact(self, entry: Entry, number: int, fact: Fact) -> None:
        match fact:
            case LinkUp():
                self._link_up(entry.station_id, fact)
            case LinkDown():
                self._link_down(entry.station_id, fact)
            case Booted():
                self._booted(entry.station_id, fact)
            case StatusReported():
                self._clock(entry, fact)
                self._status(entry.station_id, fact)
            case TransactionStarted():
                self._started(entry, fact)
            case TransactionStopped():
                self._stopped(entry, number, fact)
            case TransactionReported():
                self._reported(entry.station_id, fact)
            case Measured() if fact.source == "ocpp":
                self._measured(entry, number, fact)
            case Measured():
                self._metered(entry.station_id, fact)
            case NotObserved():
                self._not_observed(entry.station_id, fact)
            case Quarantined():
                self._set_aside(entry, number, fact.reason, fact.detail)
            case _:
                self._detail(entry, number, fact)

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
            self._note(station, connectors, fact.at)

    def _started(self, entry: Entry, fact: TransactionStarted) -> None:
        station_id = entry.station_id
        if fact.numbered and self._numbered_start(station_id, fact):
            return
        driver = self._starter(station_id, fact)
        session = life.begin(fact, self._stations[station_id], driver)
        if self._is_known(session):
            return  # a retried start: the session is there already
        former = None if fact.numbered else self._lacking_start(entry, fact)
        if former is not None:
            if former.transaction_id == fact.transaction_id and not unstarted.joins(former, fact):
                return  # a retried start of a session that it was joined to
            session = replace(unstarted.with_start(former, fact, driver), connector_id=fact.connector_id)
        if session.state is not SessionState.ENDED:
            self._take_connector(session)
        session = session if fact.numbered else self._orders.claim(session, fact.at)
        self._keep_session(self._with_tariff(session, driver))

    def _numbered_start(self, station_id: str, fact: TransactionStarted) -> bool:
        """Whether the start is of a session that is there."""
        known = self._by_transaction(station_id, fact.transaction_id)
        if known is None or numbered.is_another(known, fact):
            return False
        driver = self._starter(station_id, fact)
        session = numbered.with_start(known, fact, driver)
        session = numbered.settle(session, self._rated_power(session))
        self._keep_session(self._with_tariff(session, driver) if fact.id_tag else session)
        return True

    def _lacking_start(self, entry: Entry, fact: TransactionStarted) -> Session | None:
        """A session that this start belongs to: it was opened without one, or has been given it."""
        candidates = self._open_on(entry.station_id, fact.connector_id)
        if entry.received_at - fact.at > matching.LATE:
            here = (0, fact.connector_id)
            candidates += [s for s in self._recent(entry.station_id, _LAST) if s.connector_id in here]
        for session in candidates:
            same = session.transaction_id == fact.transaction_id and matching.is_repeated_start(fact, session)
            if same or unstarted.joins(session, fact):
                return session
        return None

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
            session = self._with_tariff(life.with_driver(session, driver), driver)
        if driver.token is not None and session.token == driver.token:
            session = life.refused(session, fact.refused)
        if closed_by_us(session) and not self._open_on(station_id, session.connector_id):
            session = numbered.resumed(session, fact)
        if session.state is not SessionState.ENDED and not placed and not ending:
            self._take_connector(session)
        self._charging_state(session, fact)
        if fact.remote_start_id is not None or (fact.event == "Started" and fact.trigger == "RemoteStart"):
            session = self._orders.claim(session, fact.at, fact.remote_start_id)
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

    def _not_observed(self, station_id: str, fact: NotObserved) -> None:
        for session in list(self._sessions[station_id].values()):
            if session.ended_at is None or session.ended_at >= fact.at:
                self._keep_session(with_hole(session, fact))

    def _stopped(self, entry: Entry, number: int, fact: TransactionStopped) -> None:
        session = None
        if fact.numbered or matching.is_real(fact.transaction_id):
            session = self._by_transaction(entry.station_id, fact.transaction_id)
        values = () if fact.numbered else _values_of_stop(entry)
        if session is None:
            session = self._session_of_stop(entry, number, fact, values)
        if session is None:
            return
        if numbered.is_numbered(session):
            self._keep_session(numbered.end(session, fact, self._rated_power(session)))
            return
        session = life.measure(session, values, self._rated_power(session))
        self._keep_session(life.stop(session, fact, self._rated_power(session)))

    def _session_of_stop(
        self, entry: Entry, number: int, fact: TransactionStopped, values: tuple[Reading, ...]
    ) -> Session | None:
        """For a stop of a transaction that is not known: the one open session that it fits, or one of its own."""
        station_id, driver = entry.station_id, self._driver(fact)
        fitting = matching.sessions_of_stop(fact, self._open(station_id), driver.token, self._rated_power)
        if len(fitting) == 1:
            return doubt(fitting[0], Quality.ESTIMATED, STOP_MATCHED)
        if not fitting:
            if matching.is_repeated_stop(fact, self._recent(station_id, _LAST)):
                return None
            if unstarted.told_enough(fact, values, entry.received_at):
                session = unstarted.from_stop(fact, values, self._stations[station_id], driver)
                return None if self._is_known(session) else self._with_tariff(session, driver)
        detail = f"stop of transaction {fact.transaction_id}, which never started here"
        if fitting:
            detail += f"; {len(fitting)} open sessions fit"
        self._set_aside(entry, number, QuarantineReason.UNKNOWN_TRANSACTION, detail)
        return None

    def _measured(self, entry: Entry, number: int, fact: Measured) -> None:
        if not fact.readings:
            return
        if not fact.connector_id and any(
            isinstance(f, TransactionStopped) and not f.numbered for f in entry.facts
        ):
            return  # transactionData: it belongs to the session that the stop finds
        session = self._session_of_values(entry, fact)
        if session is None and fact.transaction_id is not None:
            detail = f"values of transaction {fact.transaction_id}, which never started here; in the telemetry"
            self._set_aside(entry, number, QuarantineReason.UNKNOWN_TRANSACTION, detail)
        if session is None:
            power = next((r.value for r in reversed(fact.readings) if r.field == "power_w"), None)
        else:
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

    def _session_of_values(self, entry: Entry, fact: Measured) -> Session | None:
        station_id, session = entry.station_id, None
        if fact.transaction_id is not None:
            session = self._by_transaction(station_id, fact.transaction_id)
            if session is not None:
                return self._gone_on(session, fact)
        if not fact.connector_id:
            return None
        open_here, connector = (
            self._open_on(station_id, fact.connector_id),
            self._connector(station_id, fact.connector_id),
        )
        session = matching.session_of_values(fact, open_here, connector)
        if session is not None:
            named = fact.transaction_id is not None
            fits = not named or matching.takes_values(session, fact, self._rated_power(session))
            return session if fits else None
        if open_here or entry.protocol != "ocpp1.6" or not unstarted.flows(connector, fact.readings):
            return None
        return self._without_start(station_id, fact)

    def _gone_on(self, session: Session, fact: Measured) -> Session:
        """A session that was closed by estimate goes on where the station does (2.x says so with its events)."""
        if session.ended_at is None or fact.at <= session.ended_at:
            return session
        closed = closed_by_us(session) and not numbered.is_numbered(session)
        if closed and not self._open_on(session.station_id, session.connector_id):
            session = life.resume(session)
            self._take_connector(session)
        return session

    def _without_start(self, station_id: str, fact: Measured) -> Session | None:
        """The session of values that show that energy flows where no session is."""
        here = [s for s in self._recent(station_id, 2 * _LAST) if s.connector_id == fact.connector_id]
        last = here[0] if here else None
        if last is not None and last.ended_at is not None:
            if closed_by_us(last) and matching.takes_values(last, fact, self._rated_power(last)):
                return self._gone_on(last, fact)
            if fact.at <= last.ended_at + unstarted.AFTERGLOW:
                return None  # they are of the session that has just ended
        session = unstarted.from_values(fact, self._stations[station_id])
        self._take_connector(session)
        return self._with_tariff(session, life.Driver())

    def _metered(self, station_id: str, fact: Measured) -> None:
        """A value of an independent meter: for the session that runs, and for the one that has just ended."""
        register = meter_check.register_of(fact)
        connector = self._connector(station_id, fact.connector_id)
        if register is None or not fact.connector_id or (connector.meter_at and register.at <= connector.meter_at):
            return
        for session in self._open_on(station_id, fact.connector_id):
            self._keep_session(meter_check.during(session, connector, register))
        if connector.meter_session_id is not None:
            ended = self._session(connector.meter_session_id)
            if ended is not None and ended.state is SessionState.ENDED:
                self._keep_session(meter_check.after(ended, register))
        connector = self._connector(station_id, fact.connector_id)
        newest = replace(connector, meter_wh=register.value, meter_at=register.at, meter_session_id=None)
        self._with_connector(station_id, newest)

    def close_silent(self, before: datetime) -> None:
        """Closes by estimate what nothing was heard of since `before`, unless a station that is there says that a
        vehicle is."""
        for station_id in self._sessions:
            station = self._stations[station_id]
            heard = station.connected and station.last_seen is not None and station.last_seen >= before
            for session in self._open(station_id):
                connector = self._connector(station_id, session.connector_id)
                busy = heard and connector.session_id == session.session_id and connector.status in _BUSY
                if not busy and (session.last_reading_at or session.started_at) < before:
                    self._keep_session(life.close_without_stop(session, before))

    @staticmethod
    def _is_latest(session: Session | None, readings: tuple[Reading, ...]) -> bool:
        return session is None or session.last_reading_at is None or readings[-1].at >= session.last_reading_at


def _values_of_stop(entry: Entry) -> tuple[Reading, ...]:
    """transactionData of a StopTransaction."""
    return tuple(r for fact in entry.facts if isinstance(fact, Measured) for r in fact.readings)
