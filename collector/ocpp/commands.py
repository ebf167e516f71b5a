"""Our calls to a station: every action of its version that goes from the central system to the station, checked
by the official schema. One is outstanding at a time (OCPP-J 1.6 section 4.1.1; 2.0.1 part 4 section 4.1.1), the
others wait in line. No clock, no sockets.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from collector.ocpp import answers, frames, schemas
from collector.ocpp.directions import FROM_CENTRAL_SYSTEM
from collector.ocpp.evse import connector_number
from collector.ocpp.frames import CallError, CallResult
from laddvakt.domain.commands import CallErrorDetail, CommandResult, CommandStatus, status_of
from laddvakt.domain.facts import CommandAnswered, CommandSent, Fact, NonConforming, RemoteStartAsked
from laddvakt.privacy import for_people

MAX_WAITING = 16
"""Commands that may wait for one station, beside the one that is on its way."""

_MAX_OUTSTANDING = 16
_MAX_SAID = 2000  # characters of a payload that facts keep for people


def actions(protocol: str) -> frozenset[str]:
    """The actions that a central system may send in a protocol version."""
    return FROM_CENTRAL_SYSTEM[protocol]


def problems(protocol: str, action: str, payload: dict[str, Any]) -> tuple[str, ...]:
    """Why this cannot be sent, each with the field's path and what it wants; () when it can. Strict: what we say
    is right."""
    if action not in actions(protocol):
        side = "only a station sends it" if action in schemas.actions(protocol) else "there is no such action"
        return (f"command: {action} is not a command of {protocol}: {side}",)
    try:
        frames.call("", action, payload)
    except (ValueError, OverflowError, TypeError) as error:
        return (f"payload: {error}",)
    validator = schemas.request_validator(protocol, action)
    return tuple(violation.message for violation in schemas.violations(validator, payload))


class Command(NamedTuple):
    """One call of ours. `command_id` is its unique id."""

    command_id: str
    action: str
    payload: dict[str, Any]
    actor: str = ""


class Answered(NamedTuple):
    """A call of ours that a frame answers. `late`: its time was over, and whoever asked has been told so."""

    command: Command
    late: bool


class Outbox:
    """The calls of ours on one connection: one on its way, others in line, those given up that may yet be
    answered. Bounded."""

    __slots__ = ("_outstanding", "_pending", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[str, Command] = {}
        self._outstanding: dict[str, Answered] = {}  # as they would be answered now
        self._pending: str | None = None  # the one of them that is not given up

    def submit(self, command: Command) -> bool:
        """Puts a command in line; False when the line is full."""
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting[command.command_id] = command
        return True

    def next(self) -> Command | None:
        """The command to send now, outstanding from here on. None while another one is, or none waits."""
        if self._pending is not None or not self._waiting:
            return None
        command = self._waiting.pop(next(iter(self._waiting)))
        self._pending = command.command_id
        self.note(command)
        return command

    def note(self, command: Command) -> None:
        """A call that is outstanding. A recorded central system may have many."""
        while len(self._outstanding) >= _MAX_OUTSTANDING:
            self._outstanding.pop(next(iter(self._outstanding)))
        self._outstanding[command.command_id] = Answered(command, late=False)

    def answered(self, unique_id: str) -> Answered | None:
        """The call that an answer belongs to; None when there is none."""
        if self._pending == unique_id:
            self._pending = None
        return self._outstanding.pop(unique_id, None)

    def give_up(self, command_id: str) -> CommandStatus | None:
        """A command's time is over: what has become of it; None when it was answered before."""
        if self._waiting.pop(command_id, None) is not None:
            return CommandStatus.NOT_SENT
        if self._pending != command_id:
            return None
        self._pending = None
        self._outstanding[command_id] = self._outstanding[command_id]._replace(late=True)
        return CommandStatus.TIMEOUT

    def close(self) -> list[tuple[Command, CommandStatus]]:
        """The connection is over: what has become of every command."""
        ended = [(command, CommandStatus.NOT_SENT) for command in self._waiting.values()]
        if self._pending is not None:
            ended.insert(0, (self._outstanding[self._pending].command, CommandStatus.LOST))
        self._pending = None
        self._waiting = {}
        return ended


def sent_facts(command: Command, now: datetime) -> tuple[Fact, ...]:
    """What a call of ours says."""
    sent = CommandSent(
        at=now,
        command_id=command.command_id,
        action=command.action,
        actor=command.actor,
        request=_said(command.payload),
    )
    started = _remote_start(command, now)
    return (sent,) if started is None else (sent, started)


def _remote_start(command: Command, now: datetime) -> RemoteStartAsked | None:
    payload, token = command.payload, command.payload.get("idToken")
    if command.action == "RemoteStartTransaction" and isinstance(payload.get("idTag"), str):
        return RemoteStartAsked(
            at=now,
            command_id=command.command_id,
            id_tag=payload["idTag"],
            connector_id=_integer(payload.get("connectorId")) or 0,
        )
    if command.action == "RequestStartTransaction" and isinstance(token, dict):
        return RemoteStartAsked(
            at=now,
            command_id=command.command_id,
            id_tag=str(token.get("idToken", "")),
            connector_id=connector_number(_integer(payload.get("evseId")) or 0),
            remote_start_id=_integer(payload.get("remoteStartId")),
        )
    return None


def _integer(value: object) -> int | None:
    """A number of a payload; the log may hold calls of other central systems, whatever they said."""
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else None


def answer_facts(
    protocol: str, answered: Answered, frame: CallResult | CallError, now: datetime
) -> tuple[Fact, ...]:
    """What the station's answer to a call of ours says. A payload that the schema refuses is used and flagged."""
    command, late = answered
    fact = CommandAnswered(
        at=now,
        command_id=command.command_id,
        action=command.action,
        actor=command.actor,
        status=CommandStatus.CALLERROR,
        late=late,
    )
    if isinstance(frame, CallError):
        return (replace(fact, said=f"{frame.code}: {frame.description}"[:_MAX_SAID]),)
    fact = replace(fact, status=status_of(frame.payload), said=_said(frame.payload))
    flaws = _flaws(protocol, command.action, frame.payload)
    notes = (NonConforming(at=now, detail=f"{command.action} answer: {flaw.message}") for flaw in flaws)
    if problems(protocol, command.action, command.payload) or not all(flaw.tolerable for flaw in flaws):
        return (fact, *notes)
    return (fact, *notes, *answers.variables(command.action, command.payload, frame.payload, now))


def worst_flaw(protocol: str, action: str, payload: dict[str, Any]) -> schemas.Violation | None:
    """Why an answer cannot be used as the schema means it; None where its sense is plain."""
    return next((flaw for flaw in _flaws(protocol, action, payload) if not flaw.tolerable), None)


def _flaws(protocol: str, action: str, payload: dict[str, Any]) -> tuple[schemas.Violation, ...]:
    if action not in schemas.actions(protocol):
        return ()  # a recorded central system's own invention
    return tuple(schemas.violations(schemas.response_validator(protocol, action), payload))


def unanswered_fact(command: Command, status: CommandStatus, now: datetime) -> CommandAnswered:
    """A call that was sent and gets no answer any more."""
    return CommandAnswered(
        at=now, command_id=command.command_id, action=command.action, actor=command.actor, status=status
    )


def result_of(station_id: str, command: Command, frame: CallResult | CallError, now: datetime) -> CommandResult:
    """What whoever asked is told: the station's answer as it is."""
    base = CommandResult(
        command_id=command.command_id,
        station_id=station_id,
        action=command.action,
        status=CommandStatus.CALLERROR,
        answered_at=now,
    )
    if isinstance(frame, CallError):
        error = CallErrorDetail(code=frame.code, description=frame.description, details=frame.details)
        return replace(base, error=error)
    return replace(base, status=status_of(frame.payload), answer=frame.payload)


def _said(payload: dict[str, Any]) -> str:
    text = msgspec.json.encode(for_people(payload)).decode()
    return text if len(text) <= _MAX_SAID else text[:_MAX_SAID] + "…"
