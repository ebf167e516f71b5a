"""The history of commands to stations, and which session came of a remote start. Works on one transaction's unit
of work, as the book does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from laddvakt.domain.commands import CommandStatus, SentCommand
from laddvakt.domain.facts import CommandAnswered, CommandSent, RemoteStartAsked
from laddvakt.domain.sessions import Session
from laddvakt.domain.tokens import TokenKind
from laddvakt.stores.ports import Work

WINDOW = timedelta(minutes=5)
"""How long after a remote start a session of the same token may be taken for it: stations wait 30 s to some
minutes for the plug (ConnectionTimeOut, EVConnectionTimeOut)."""

_SKEW = timedelta(minutes=1)  # by which a station's clock may run behind ours
_NO = frozenset({CommandStatus.REJECTED, CommandStatus.CALLERROR})


def asked_for(
    session: Session, at: datetime, remote_start_id: int | None, asked: Iterable[SentCommand]
) -> SentCommand | None:
    """The remote start that a session, started at `at`, came of: the one with its number (OCPP 2.x), otherwise the
    newest for its token and connector within the window. `asked` is newest first."""
    free = [command for command in asked if command.session_id is None and command.status not in _NO]
    if remote_start_id is not None:
        return next((command for command in free if command.remote_start_id == remote_start_id), None)
    return next(
        (
            command
            for command in free
            if command.token == session.token
            and command.connector_id in (0, session.connector_id)
            and command.sent_at - _SKEW <= at <= command.sent_at + WINDOW
        ),
        None,
    )


class Orders:
    """Commands of a transaction's entries. `token_of` gives an idTag's pseudonym."""

    def __init__(self, work: Work, token_of: Callable[[str], str]) -> None:
        self._work = work
        self._token_of = token_of
        self._changed: dict[tuple[str, str], SentCommand] = {}

    def apply(self, station_id: str, fact: CommandSent | RemoteStartAsked | CommandAnswered) -> None:
        """A fact about a command."""
        match fact:
            case CommandSent():
                self._sent(station_id, fact)
            case RemoteStartAsked():
                self._remote_start(station_id, fact)
            case CommandAnswered():
                self._answered(station_id, fact)

    def _sent(self, station_id: str, fact: CommandSent) -> None:
        self._keep(
            SentCommand(
                command_id=fact.command_id,
                station_id=station_id,
                action=fact.action,
                actor=fact.actor,
                request=fact.request,
                sent_at=fact.at,
            )
        )

    def _remote_start(self, station_id: str, fact: RemoteStartAsked) -> None:
        command = self._get(station_id, fact.command_id)
        if command is not None:
            command = replace(command, token=self._token_of(fact.id_tag), connector_id=fact.connector_id)
            self._keep(replace(command, remote_start_id=fact.remote_start_id))

    def _answered(self, station_id: str, fact: CommandAnswered) -> None:
        command = self._get(station_id, fact.command_id)
        if command is not None:
            command = replace(command, status=fact.status, said=fact.said, late=fact.late)
            self._keep(replace(command, answered_at=fact.at if fact.status in _BY_THE_STATION else None))

    def claim(self, session: Session, at: datetime, remote_start_id: int | None = None) -> Session:
        """The session with the remote start that it came of, if there is one: then an app identified the
        driver."""
        if session.command_id is not None:
            return session
        # A number is not used again soon, and the transaction may have begun offline.
        since = at - _SKEW - WINDOW if remote_start_id is None else at - timedelta(days=1)
        command = asked_for(session, at, remote_start_id, self._remote_starts(session.station_id, since))
        if command is None:
            return session
        self._keep(replace(command, session_id=session.session_id))
        return replace(session, command_id=command.command_id, token_kind=TokenKind.APP)

    def write(self) -> None:
        if self._changed:
            self._work.commands.save(self._changed.values())

    def _get(self, station_id: str, command_id: str) -> SentCommand | None:
        return self._changed.get((station_id, command_id)) or self._work.commands.get(station_id, command_id)

    def _keep(self, command: SentCommand) -> None:
        former = self._changed.get((command.station_id, command.command_id))
        if former is not None and former.sent_at != command.sent_at:
            self._work.commands.save([former])  # a recorded central system has begun to count anew
        self._changed[command.station_id, command.command_id] = command

    def _remote_starts(self, station_id: str, since: datetime) -> list[SentCommand]:
        stored = self._work.commands.remote_starts(station_id, since)
        known = {(c.command_id, c.sent_at): c for c in stored}
        known |= {
            (c.command_id, c.sent_at): c
            for c in self._changed.values()
            if c.station_id == station_id and c.connector_id is not None
        }
        return sorted(known.values(), key=lambda c: c.sent_at, reverse=True)


_BY_THE_STATION = frozenset({CommandStatus.ACCEPTED, CommandStatus.REJECTED, CommandStatus.CALLERROR})
