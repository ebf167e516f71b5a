"""Which tokens are in a session now: the records' open sessions, brought up to date by the live feed. Behind the
truth by as much as the recorder is."""

from __future__ import annotations

from collections.abc import Iterable

from collector.ocpp.action import Purpose
from laddvakt.domain.sessions import SessionState
from laddvakt.stores.ports import InUse


class Occupancy:
    """Sessions that have not ended, by token and by transaction."""

    def __init__(self, sessions: Iterable[InUse] = ()) -> None:
        self._sessions: dict[str, InUse] = {}
        self._by_token: dict[str, dict[str, InUse]] = {}
        self._by_transaction: dict[tuple[str, str], InUse] = {}
        for session in sessions:
            self.heard(session)

    def heard(self, session: InUse) -> None:
        """A session as it is now."""
        self._forget(session.session_id)
        if session.state is SessionState.ENDED or session.token is None:
            return
        self._sessions[session.session_id] = session
        self._by_token.setdefault(session.token, {})[session.session_id] = session
        self._by_transaction[session.station_id, session.transaction_id] = session

    def _forget(self, session_id: str) -> None:
        known = self._sessions.pop(session_id, None)
        if known is None or known.token is None:
            return
        self._by_transaction.pop((known.station_id, known.transaction_id), None)
        self._by_token[known.token].pop(session_id)
        if not self._by_token[known.token]:
            del self._by_token[known.token]

    def starter(self, station_id: str, transaction_id: str) -> str | None:
        """The token that is in a transaction; None where that is not known."""
        session = self._by_transaction.get((station_id, transaction_id))
        return session.token if session else None

    def elsewhere(self, token: str, purpose: Purpose) -> bool:
        """Whether the token is in a session beside the one that it is shown for. A transaction is never beside
        itself (a retry), nor beside the one that it follows on its connector; and a token that is shown without
        saying what for may be meant to stop a session of that station."""
        return any(not _here(session, purpose) for session in self._by_token.get(token, {}).values())


def _here(session: InUse, purpose: Purpose) -> bool:
    if session.station_id != purpose.station_id:
        return False
    if purpose.starts is None or session.transaction_id == purpose.starts:
        return True
    return purpose.connector_id in (0, session.connector_id) or session.connector_id == 0
