"""One station's conversation: frames and `now` in; replies and entries out. No sockets."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from collector.ocpp import commands, frames, lenient, quirks, schemas
from collector.ocpp.action import Answer, Ask, Policy, SigningRequest
from collector.ocpp.actions import ACTIONS
from collector.ocpp.commands import Command, Outbox
from collector.ocpp.frames import (
    Call,
    CallError,
    CallResult,
    CallResultError,
    Send,
    call_error,
    call_result,
    call_result_error,
    error_code,
    parse,
    unknown_type,
)
from laddvakt.domain.commands import CommandResult, CommandStatus
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import FrameError
from laddvakt.domain.facts import Booted, Fact, LinkDown, LinkUp, NonConforming, Quarantined, QuarantineReason
from laddvakt.privacy import conceal, for_people, secrets_in, without_secrets

logger = logging.getLogger(__name__)

SUPPORTED = ("ocpp2.1", "ocpp2.0.1", "ocpp1.6")
_WHILE_PENDING = frozenset({"BootNotification", "Heartbeat", "StatusNotification"})
_MAX_NOTED = 16
_KEPT_OF_UNLOGGABLE = 8 * 1024  # characters


def _unique_id(raw: str) -> str | None:
    """Of a CALL; None for everything else."""
    try:
        frame = parse(raw)
    except FrameError as error:
        return error.unique_id
    return frame.unique_id if isinstance(frame, Call) else None


def _for_the_log(
    raw: str, frame: CallResult | CallError, asked: dict[str, Any]
) -> tuple[str, CallResult | CallError]:
    """An answer as the log may keep it: without secrets, its own and those of what was asked."""
    secrets = secrets_in(asked)
    shown: CallResult | CallError
    if isinstance(frame, CallResult):
        shown = frame._replace(payload=conceal(without_secrets(frame.payload), secrets))
    else:
        description, details = conceal([frame.description, frame.details], secrets)
        shown = frame._replace(description=description, details=details)
    return (raw, frame) if shown == frame else (frames.answer(shown), shown)


class Outcome(NamedTuple):
    """What a frame leads to: an entry for the log; once that is durable, the text to send (None: nothing), the
    result to tell whoever asked for the command that the frame answers, and what else is to be done."""

    entry: Entry
    reply: str | None
    result: CommandResult | None = None
    errand: SigningRequest | None = None


class Link:
    """The state of one connection: our own calls and what it was flagged for. Nothing about sessions."""

    __slots__ = ("_noted", "outbox", "policy", "profile", "protocol", "since", "station_id")

    def __init__(self, station_id: str, protocol: str, policy: Policy, since: datetime | None = None) -> None:
        self.station_id = station_id
        self.protocol = protocol
        self.policy = policy
        self.profile = quirks.profile_of(policy.vendor, policy.model, policy.firmware)
        self.since = since  # when it came up
        self.outbox = Outbox()
        self._noted: set[str] = set()

    def connected(self, now: datetime) -> Entry:
        self.since = now
        return Entry(
            station_id=self.station_id,
            kind=EntryKind.CONNECTED,
            received_at=now,
            protocol=self.protocol,
            facts=(LinkUp(at=now, protocol=self.protocol),),
        )

    def disconnected(self, now: datetime, reason: str) -> Entry:
        return Entry(
            station_id=self.station_id,
            kind=EntryKind.DISCONNECTED,
            received_at=now,
            protocol=self.protocol,
            facts=(LinkDown(at=now, reason=reason, since=self.since),),
        )

    def sent(self, text: str, now: datetime) -> Entry:
        """Records a CALL of another central system, from a replay. Raises FrameError for what is none."""
        frame = parse(text)
        if not isinstance(frame, Call):
            return self._out(text, now, ())
        command = Command(frame.unique_id, frame.action, frame.payload)
        self.outbox.note(command)
        return self._out(text, now, commands.sent_facts(command, now))

    def calling(self, command: Command, now: datetime) -> Entry:
        """Records a CALL of ours: as it will be sent, but for its secrets and for whole lists of drivers."""
        hidden = for_people if command.action == "SendLocalList" else without_secrets
        text = frames.call(command.command_id, command.action, hidden(command.payload))
        return self._out(text, now, commands.sent_facts(command, now))

    def unanswered(self, command: Command, status: CommandStatus, now: datetime) -> Entry:
        """Records that a CALL of ours was sent and gets no answer."""
        return self._out("", now, (commands.unanswered_fact(command, status, now),))

    def _out(self, text: str, now: datetime, facts: tuple[Fact, ...]) -> Entry:
        return Entry(
            station_id=self.station_id,
            kind=EntryKind.OCPP_OUT,
            received_at=now,
            raw=text,
            protocol=self.protocol,
            facts=facts,
        )

    def receive(self, message: str | bytes, now: datetime) -> Outcome:
        """Reads one frame. Never raises for what a station sends."""
        raw = message if isinstance(message, str) else message.decode("utf-8", "backslashreplace")
        try:
            frame = parse(message)
        except FrameError as error:
            return self._malformed(raw, error, now)
        if isinstance(frame, Call):
            return self._called(raw, frame, now)
        if isinstance(frame, CallResult | CallError):
            return self._answered(raw, frame, now)
        if self.protocol != "ocpp2.1":
            kind = 6 if isinstance(frame, Send) else 5
            return self._malformed(raw, unknown_type(kind, frame.unique_id), now)
        if isinstance(frame, Send):
            return self._sent_to_us(raw, frame, now)
        return self._reply_refused(raw, frame, now)

    def unloggable(self, outcome: Outcome, why: str) -> Outcome:
        """Instead of an outcome whose entry the log can never take: a part of the message is kept, and the
        station is told, lest it says the same for ever."""
        entry = outcome.entry
        unique_id = _unique_id(entry.raw)
        reply = call_error(unique_id, "InternalError", why) if unique_id else None
        kept = self._quarantine(
            entry.raw[:_KEPT_OF_UNLOGGABLE], reply, entry.received_at, QuarantineReason.INTERNAL_ERROR, why
        )
        return kept._replace(result=outcome.result)

    def _malformed(self, raw: str, error: FrameError, now: datetime) -> Outcome:
        reply = self._frame_error(error)
        return self._quarantine(raw, reply, now, QuarantineReason.MALFORMED_FRAME, error.message)

    def _frame_error(self, error: FrameError) -> str | None:
        """Only what may be a CALL is answered with a CALLERROR; a CALLRESULT has its own answer in 2.1. 1.6
        ignores message types that it does not have (OCPP-J 1.6 section 4.1.3) and has no answer to a frame
        without a readable id; 2.x answers to "-1" (2.0.1 part 4 section 4.2.3)."""
        code = error_code(self.protocol, error.code)
        if error.kind == 3 and self.protocol == "ocpp2.1" and error.unique_id:
            return call_result_error(error.unique_id, code, error.message)
        if error.kind not in (None, 2):
            return None
        if self.protocol == "ocpp1.6":
            if error.kind is None or not error.unique_id:
                return None
            return call_error(error.unique_id, code, error.message)
        return call_error(error.unique_id or "-1", code, error.message)

    def _sent_to_us(self, raw: str, send: Send, now: datetime) -> Outcome:
        """A SEND (OCPP 2.1 part 4 section 4.2.4) is read like a CALL and never answered."""
        entry = self._called(raw, Call(*send), now).entry
        if send.action not in schemas.SENT:
            note = NonConforming(at=now, detail=f"{send.action} came as a SEND")
            entry = replace(entry, facts=(*entry.facts, *filter(self._is_news, (note,))))
        return Outcome(replace(entry, reply=None), None)

    def _reply_refused(self, raw: str, frame: CallResultError, now: datetime) -> Outcome:
        """The station cannot use our answer to one of its calls: somebody should know."""
        detail = f"the station refused our answer to {frame.unique_id!r}: {frame.code} {frame.description}"
        return self._quarantine(raw, None, now, QuarantineReason.REFUSED_REPLY, detail[:500])

    def _called(self, raw: str, call: Call, now: datetime) -> Outcome:
        if self.protocol not in SUPPORTED:
            detail = f"{self.protocol} {call.action}: this protocol version is kept but not read yet"
            return self._refuse(raw, call, now, "NotSupported", QuarantineReason.UNSUPPORTED_PROTOCOL, detail)
        spoken = self._spoken(call.action)
        if spoken is None:
            return self._unknown(raw, call, now)
        if self.policy.registration != "Accepted" and call.action not in _WHILE_PENDING:
            detail = f"{self.station_id} is not registered: import it with a network file"
            return self._refuse(raw, call, now, "SecurityError", QuarantineReason.UNKNOWN_STATION, detail)
        validator = schemas.request_validator(spoken, call.action)
        odd: tuple[str, ...] = () if spoken == self.protocol else (f"{call.action} is of {spoken}",)
        if not schemas.conforms(validator, call.payload):
            read = lenient.read(spoken, call.action, call.payload, strict=self.policy.strict)
            if isinstance(read, schemas.Violation):
                if odd:
                    return self._unknown(raw, call, now)  # of no version that we could read it by
                return self._refuse(raw, call, now, read.code, QuarantineReason.INVALID_PAYLOAD, read.message)
            spoken, odd = read.protocol, (*odd, *read.odd)
            call = call._replace(payload=read.payload)
        extreme = schemas.out_of_bounds(call.payload)
        if extreme is not None:
            return self._refuse(raw, call, now, extreme.code, QuarantineReason.INVALID_PAYLOAD, extreme.message)
        return self._act(raw, call, spoken, now, odd)

    def _spoken(self, action: str) -> str | None:
        """The version by which an action is read; None where it cannot be."""
        known = ACTIONS.get(action)
        if known is not None and self.protocol in known.versions:
            return self.protocol
        return None if self.policy.strict else lenient.other_version(self.protocol, action)

    def _unknown(self, raw: str, call: Call, now: datetime) -> Outcome:
        if call.action in schemas.actions(self.protocol):  # recognised: section 4.2.3 has a code of its own
            detail = f"{call.action} is for the central system to call"
            return self._refuse(raw, call, now, "NotSupported", QuarantineReason.UNSUPPORTED_ACTION, detail)
        detail = f"{call.action!r} is not an action of {self.protocol}"
        return self._refuse(raw, call, now, "NotImplemented", QuarantineReason.UNKNOWN_ACTION, detail)

    def _act(self, raw: str, call: Call, spoken: str, now: datetime, odd: tuple[str, ...]) -> Outcome:
        payload = (
            call.payload if self.profile is None else self.profile.mend(call.action, call.payload, self.policy)
        )
        ask = Ask(self.station_id, call.unique_id, payload, now, self.policy)
        try:
            answer: Answer = ACTIONS[call.action].versions[spoken](ask)
        except Exception as error:  # our own fault must not cost the message: it is kept, and the station told
            logger.exception("cannot read %s of %s", call.action, self.station_id)
            detail = f"{call.action}: {type(error).__name__}: {error}"
            return self._refuse(raw, call, now, "InternalError", QuarantineReason.INTERNAL_ERROR, detail)
        if odd and not self._answerable(call.action, spoken, answer.reply):
            why = f"{call.action}: the reply would repeat what is wrong in the request"
            return self._refuse(
                raw, call, now, "PropertyConstraintViolation", QuarantineReason.INVALID_PAYLOAD, why
            )
        reply = call_result(call.unique_id, answer.reply)
        if call.action == "BootNotification":
            self._recognise(answer.facts)
        notes = (NonConforming(at=now, detail="; ".join(odd)),) if odd else ()
        facts = (*filter(self._is_news, answer.facts), *notes)
        return Outcome(self._entry(raw, reply, now, facts), reply, errand=answer.errand)

    @staticmethod
    def _answerable(action: str, spoken: str, reply: dict[str, Any]) -> bool:
        """Whether a reply holds to the official schema. Those that repeat a part of a request may not."""
        return action in schemas.SENT or bool(schemas.response_validator(spoken, action).is_valid(reply))

    def _recognise(self, facts: tuple[Fact, ...]) -> None:
        booted = next((fact for fact in facts if isinstance(fact, Booted)), None)
        if booted is not None:
            self.profile = quirks.profile_of(booted.vendor, booted.model, booted.firmware)

    def _is_news(self, fact: Fact) -> bool:
        """A note of ours about a station's ways is news once a connection; every other fact is."""
        if not isinstance(fact, NonConforming):
            return True
        if fact.detail in self._noted:
            return False
        if len(self._noted) < _MAX_NOTED:
            self._noted.add(fact.detail)
        return True

    def _answered(self, raw: str, frame: CallResult | CallError, now: datetime) -> Outcome:
        answered = self.outbox.answered(frame.unique_id)
        if answered is None:
            kind = "CALLRESULT" if isinstance(frame, CallResult) else "CALLERROR"
            note = NonConforming(at=now, detail=f"{kind} {frame.unique_id!r} answers no call of ours")
            return Outcome(self._entry(_for_the_log(raw, frame, {})[0], None, now, (note,)), None)
        logged, shown = _for_the_log(raw, frame, answered.command.payload)
        facts = commands.answer_facts(self.protocol, answered, shown, now)
        reply = self._answer_error(answered.command, shown)
        entry = self._entry(logged, reply, now, tuple(filter(self._is_news, facts)))
        if answered.late:
            return Outcome(entry, reply)
        return Outcome(entry, reply, commands.result_of(self.station_id, answered.command, frame, now))

    def _answer_error(self, command: Command, frame: CallResult | CallError) -> str | None:
        """2.1 has a CALLRESULTERROR for an answer that cannot be used (part 4 section 4.2.3)."""
        if self.protocol != "ocpp2.1" or isinstance(frame, CallError):
            return None
        flaw = commands.worst_flaw(self.protocol, command.action, frame.payload)
        return (
            call_result_error(frame.unique_id, error_code(self.protocol, flaw.code), flaw.message)
            if flaw
            else None
        )

    def _refuse(
        self, raw: str, call: Call, now: datetime, code: str, reason: QuarantineReason, detail: str
    ) -> Outcome:
        reply = call_error(call.unique_id, error_code(self.protocol, code), detail)
        return self._quarantine(raw, reply, now, reason, detail)

    def _quarantine(
        self, raw: str, reply: str | None, now: datetime, reason: QuarantineReason, detail: str
    ) -> Outcome:
        facts = (Quarantined(at=now, reason=reason, detail=detail),)
        return Outcome(self._entry(raw, reply, now, facts), reply)

    def _entry(self, raw: str, reply: str | None, now: datetime, facts: tuple[Fact, ...]) -> Entry:
        return Entry(
            station_id=self.station_id,
            kind=EntryKind.OCPP_IN,
            received_at=now,
            raw=raw,
            reply=reply,
            protocol=self.protocol,
            facts=facts,
        )
