"""Which session a message means that names no transaction known here (OCPP 1.6). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from collector import registers
from laddvakt.domain.facts import Measured, TransactionStarted, TransactionStopped
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import Connector

LATE = timedelta(minutes=1)
"""What is older than this when it is heard was queued: it happened while the station had no link."""

_CLOCK = timedelta(minutes=1)  # values may be this much older than the start that they belong to

RatedPower = Callable[[Session], float | None]


def is_real(transaction_id: str | None) -> bool:
    """Whether it is a transaction's id. 0 and -1 stand for "none" with many stations; we give out neither."""
    return transaction_id is not None and transaction_id.isdigit() and int(transaction_id) > 0


def session_of_values(fact: Measured, open_here: list[Session], connector: Connector) -> Session | None:
    """The open session on a connector that values belong to by time: the one that the connector shows, else the
    newest that had begun."""
    begun = [session for session in open_here if fact.at >= session.started_at - _CLOCK]
    shown = [session for session in begun if session.session_id == connector.session_id]
    return max(shown or begun, key=lambda session: session.started_at, default=None)


def takes_values(session: Session, fact: Measured, max_power_w: float | None) -> bool:
    """Whether values under another transaction's id can be of this session: its register goes on in them."""
    found = [r for r in registers.of_moment(list(fact.readings)) if r.context != "Transaction.Begin"]
    return bool(found) and all(registers.fits(session, r.value, r.at, max_power_w) for r in found)


def sessions_of_stop(
    fact: TransactionStopped, open_sessions: Iterable[Session], token: str | None, rated: RatedPower
) -> list[Session]:
    """The open sessions of a station that a stop fits, by time, driver and register."""
    return [
        session
        for session in open_sessions
        if session.event_numbers is None
        and session.started_at <= fact.at
        and (token is None or session.token is None or session.token == token)
        and (fact.meter_stop_wh is None or registers.fits(session, fact.meter_stop_wh, fact.at, rated(session)))
    ]


def is_repeated_stop(fact: TransactionStopped, recent: Iterable[Session]) -> bool:
    """Whether one of the last sessions ended with this very stop."""
    return any(session.ended_at == fact.at and session.meter_stop_wh == fact.meter_stop_wh for session in recent)


def is_repeated_start(fact: TransactionStarted, known: Session) -> bool:
    """Whether a session has had this start already."""
    same_time = known.started_at == fact.at
    return same_time or (known.connector_id, known.meter_start_wh) == (fact.connector_id, fact.meter_start_wh)
