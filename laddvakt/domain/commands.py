"""Commands to stations: what is asked for, and what becomes of it. These structs also travel between processes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class CommandStatus(StrEnum):
    """What became of a command."""

    ACCEPTED = "accepted"  # the station answered that it will, or did
    REJECTED = "rejected"  # the station answered that it will not, or could not
    CALLERROR = "callerror"  # the station answered with an error
    TIMEOUT = "timeout"  # sent; no answer came in time
    LOST = "lost"  # sent; the connection ended before an answer
    NOT_SENT = "not_sent"  # waited for other commands, or the log, until its time or the connection was over
    BUSY = "busy"  # too many commands wait for this station
    NOT_CONNECTED = "not_connected"  # no collector holds the station
    INVALID = "invalid"  # not a command of the station's OCPP version, or a payload that its schema refuses


class CommandRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A command as asked for. `command_id` becomes the unique id of the CALL; `actor` is who asks."""

    command_id: str
    station_id: str
    action: str
    payload: dict[str, Any]
    actor: str
    timeout_s: float | None = None  # None: ocpp.command_timeout_s


class CallErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What a CALLERROR says (OCPP-J 1.6 section 4.2.3), as the station said it."""

    code: str
    description: str = ""
    details: dict[str, Any] = {}


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command (API object). `answer` is the payload of the station's CALLRESULT, `error` its
    CALLERROR; `problems` say what is wrong with an invalid command, each with the field's path."""

    command_id: str
    station_id: str
    action: str
    status: CommandStatus
    detail: str = ""
    answer: dict[str, Any] | None = None
    error: CallErrorDetail | None = None
    problems: tuple[str, ...] = ()
    sent_at: datetime | None = None
    answered_at: datetime | None = None


class SentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was sent, as the history keeps it (API object). `request` and `said` are for people: JSON
    without secrets, tokens masked, cut where it is long."""

    command_id: str
    station_id: str
    action: str
    actor: str  # "" for a recorded call of another central system
    request: str
    sent_at: datetime
    status: CommandStatus | None = None  # None: no answer yet
    said: str = ""
    answered_at: datetime | None = None
    late: bool = False  # the answer came after its time was over
    token: str | None = None  # of a remote start: pseudonym of the idTag
    connector_id: int | None = None  # of a remote start: where; 0 where the station may choose
    remote_start_id: int | None = None  # of a remote start in OCPP 2.x
    session_id: str | None = None  # of a remote start: what came of it


class CommandReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collector says of a command that it has taken: first how long it will wait, then what became of
    it."""

    timeout_s: float | None = None
    result: CommandResult | None = None


# Status words of CALLRESULTs that mean yes, in all versions (1.6 section 7, 2.x part 2 section 3)
_YES = frozenset(
    {"Accepted", "AcceptedCanceled", "Scheduled", "Unlocked", "RebootRequired", "Unpublished", "Good"}
)


def words_of(answer: dict[str, Any]) -> list[str]:
    """The status words of a CALLRESULT: its own, or one for each item where it answers in items (SetVariables)."""
    items = [item for value in answer.values() if isinstance(value, list) for item in value]
    said = [part.get("status", part.get("attributeStatus")) for part in (answer, *items) if isinstance(part, dict)]
    return [word for word in said if isinstance(word, str)]


def status_of(answer: dict[str, Any]) -> CommandStatus:
    """Whether a CALLRESULT says yes. One without a status word is a yes: the station did answer."""
    return CommandStatus.ACCEPTED if _YES.issuperset(words_of(answer)) else CommandStatus.REJECTED
