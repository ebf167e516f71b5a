"""The remediation ladder: what may be tried on a station by itself before somebody drives there. Pure.

From harmless to blunt: ask it how it is, clear a session's left-over charging profile or unlock the plug, a soft
reset, a hard reset (`ladders`). Then the ticket waits for people. It never acts where somebody could be hurt, is
charging or is at work, nor on many stations of one cause. What was tried is read from the tickets' own history, so
it is known after a restart too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from detector.ladders import CONNECTORS_ONLY, LADDERS, NOT_BY_RESTART, RESETS, WORDS, Ladder, Proof, Step
from detector.view import ConnectorView, StationView
from detector.vocabulary import look_up
from laddvakt.domain.commands import CommandStatus, SentCommand
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import UNSETTLED, Finding, Severity, Ticket, TicketAction, TicketEvent, TicketState
from laddvakt.settings import RemediationSettings

ACTOR = "remediation"
A_DAY = timedelta(hours=24)
PERSON_AT_WORK = timedelta(minutes=15)
"""How long a command that a person sent keeps the ladder away."""
JUST_ENDED = timedelta(minutes=1)
"""A session that ended this recently counts as one: the driver still stands there, and the rules judge it."""
PATIENCE = timedelta(hours=12)
"""A step whose proof is a session is judged without one after this: a broken station has few guests."""


class Reason(StrEnum):
    """Why the ladder takes a step, or does not."""

    STEP = "step"  # it may, and it is time
    OFF = "off"  # not enabled at the site
    SETTLED = "settled"  # the ticket is no longer open
    TAKEN = "taken"  # somebody has it
    SAFETY = "safety"  # this ticket, or another of the station, is about safety
    MANY = "many"  # one of many of one cause, or it comes and goes: a restart does not mend that
    NO_LADDER = "no_ladder"  # people mend this fault
    SILENCED = "silenced"  # maintenance: somebody may have the door open
    NOT_KNOWN = "not_known"  # we do not hear the station as it speaks
    NOT_FOUND = "not_found"  # nothing finds the fault now
    NOT_CONNECTED = "not_connected"  # the station would not hear it
    JUST_CONNECTED = "just_connected"  # it is only now saying how it is
    HARDWARE = "hardware"  # it reports what a restart does not mend
    UPDATING = "updating"  # its firmware is being changed
    IN_SESSION = "in_session"  # somebody charges, or has just done so, at any of its connectors
    PERSON_AT_WORK = "person_at_work"  # somebody sent it a command just now
    FRESH = "fresh"  # the fault may yet go by itself
    WAITING = "waiting"  # the last step has not had its time
    UNPROVEN = "unproven"  # nobody has charged since the last step
    NOT_IDLE = "not_idle"  # a reset would disturb somebody, or it is not known that it would not
    NEIGHBOUR = "neighbour"  # another station of the site is being reset
    RESETS_USED = "resets_used"  # as many as a day allows
    EXHAUSTED = "exhausted"  # every rung was tried: it is for people now


class Policy(NamedTuple):
    """See `remediation` in the settings. `wait` is what a step is given to help, a reset three times as much."""

    sites: frozenset[str]  # `*`: all
    after: timedelta = timedelta(minutes=5)
    wait: timedelta = timedelta(minutes=5)
    resets_per_day: int = 2

    def wait_of(self, step: Step) -> timedelta:
        return self.wait * 3 if step in RESETS else self.wait


def policy_of(settings: RemediationSettings) -> Policy:
    return Policy(
        sites=frozenset(settings.sites),
        after=timedelta(seconds=settings.after_s),
        wait=timedelta(seconds=settings.wait_s),
        resets_per_day=settings.resets_per_day,
    )


class Tried(NamedTuple):
    """A step that was tried. `refused`: the station said no, so there is nothing to wait for."""

    ticket_id: str
    step: Step
    at: datetime
    refused: bool = False


class Present(NamedTuple):
    """What is heard of a station at this moment. `statuses` are of its connectors; UNKNOWN where the last word is
    old."""

    connected: bool
    statuses: dict[int, ConnectorState]
    linked_at: datetime | None = None  # when its link came up
    in_session: bool = False
    ended_at: datetime | None = None  # of its last session
    codes: frozenset[str] = frozenset()  # ChargeX codes that are reported
    firmware: str = ""  # how its last update goes
    firmware_at: datetime | None = None
    found: frozenset[tuple[str, str, str]] = frozenset()  # faults that stand: code, kind and id of the asset


class Past(NamedTuple):
    """What the records say around a ticket, of the last day."""

    site_id: str | None
    tried: tuple[Tried, ...] = ()  # on this station, for any ticket, oldest first
    resets_by_others: tuple[datetime, ...] = ()
    person_at: datetime | None = None  # when a person last sent a command
    neighbour: datetime | None = None  # when the ladder last reset another station of the site
    in_session: bool = False
    danger: bool = False  # the station has a ticket about safety
    silenced: bool = False


class Decision(NamedTuple):
    """The next step, or why there is none."""

    reason: Reason
    step: Step | None = None


def next_step(ticket: Ticket, present: Present | None, past: Past, policy: Policy, now: datetime) -> Decision:
    """What to do about a ticket now."""
    reason = unfit(ticket) or _unwanted(past, policy) or _unsafe(ticket, present, past, now)
    if reason is not None or present is None:
        return Decision(reason or Reason.NOT_KNOWN)
    ladder = LADDERS[ticket.fault]
    step = _following(ladder, ticket, past, policy)
    reason = _too_soon(ticket, ladder, present, past, policy, now)
    if reason is not None or step is None:
        return Decision(reason or Reason.EXHAUSTED)
    if step in RESETS:
        reason = _no_reset(ticket, present, past, policy, now)
    return Decision(reason) if reason is not None else Decision(Reason.STEP, step)


def unfit(ticket: Ticket) -> Reason | None:
    """Why the ticket by itself keeps the ladder away, whatever goes on around it."""
    if ticket.state not in UNSETTLED:
        return Reason.SETTLED
    if is_about_safety(ticket):
        return Reason.SAFETY
    if ticket.state is not TicketState.OPEN:
        return Reason.TAKEN
    if ticket.fault not in LADDERS:
        return Reason.NO_LADDER
    if ticket.storm is not None or ticket.held_by is not None or ticket.flapping_since is not None:
        return Reason.MANY
    return None


def is_about_safety(ticket: Ticket) -> bool:
    """P1 now or at any time: what was dangerous an hour ago is not restarted because it looks better."""
    said = {str(event.data.get("severity")) for event in ticket.events}
    return ticket.severity == Severity.P1 or Severity.P1 in said


def is_danger(ticket: Ticket) -> bool:
    """A ticket about safety that nothing has proved mended."""
    return is_about_safety(ticket) and ticket.state not in (TicketState.VERIFIED, TicketState.CLOSED)


def _unwanted(past: Past, policy: Policy) -> Reason | None:
    if "*" not in policy.sites and past.site_id not in policy.sites:
        return Reason.OFF
    return Reason.SILENCED if past.silenced else None


def _unsafe(ticket: Ticket, present: Present | None, past: Past, now: datetime) -> Reason | None:
    if past.danger:
        return Reason.SAFETY
    if present is None:
        return Reason.NOT_KNOWN
    if (ticket.fault, ticket.asset.kind, ticket.asset.id) not in present.found:
        return Reason.NOT_FOUND
    if not present.connected:
        return Reason.NOT_CONNECTED
    if not NOT_BY_RESTART.isdisjoint(present.codes):
        return Reason.HARDWARE
    if present.firmware in _UPDATING and not _over(present.firmware_at, A_DAY, now):
        return Reason.UPDATING
    charging = past.in_session or present.in_session or not _over(present.ended_at, JUST_ENDED, now)
    return Reason.IN_SESSION if charging else None


def _too_soon(
    ticket: Ticket, ladder: Ladder, present: Present, past: Past, policy: Policy, now: datetime
) -> Reason | None:
    if not _over(past.person_at, PERSON_AT_WORK, now):
        return Reason.PERSON_AT_WORK
    if not _over(present.linked_at, policy.wait, now):
        return Reason.JUST_CONNECTED
    if now - _opened_at(ticket) < policy.after:
        return Reason.FRESH
    if any(not tried.refused and now - tried.at < policy.wait_of(tried.step) for tried in past.tried):
        return Reason.WAITING
    mine = _mine(ticket, past)
    if ladder.proof is Proof.TIME or not mine or mine[-1].refused or mine[-1].step is Step.ASK:
        return None
    charged = present.ended_at is not None and present.ended_at > mine[-1].at
    return None if charged or now - mine[-1].at >= PATIENCE else Reason.UNPROVEN


def _no_reset(ticket: Ticket, present: Present, past: Past, policy: Policy, now: datetime) -> Reason | None:
    if not _idle(present.statuses, ticket.connector_id):
        return Reason.NOT_IDLE
    own = (tried.at for tried in past.tried if tried.step in RESETS)
    if sum(now - at < A_DAY for at in (*own, *past.resets_by_others)) >= policy.resets_per_day:
        return Reason.RESETS_USED
    neighbour = past.neighbour is not None and now - past.neighbour < policy.wait_of(Step.HARD_RESET)
    return Reason.NEIGHBOUR if neighbour else None


def _idle(statuses: dict[int, ConnectorState], connector_id: int | None) -> bool:
    allowed = {number: _IDLE | _HANGING if number == connector_id else _IDLE for number in statuses}
    return bool(statuses) and all(status in allowed[number] for number, status in statuses.items())


def _following(ladder: Ladder, ticket: Ticket, past: Past, policy: Policy) -> Step | None:
    """The lowest rung that was not tried; a fault that came back goes on where it was."""
    done = {tried.step for tried in _mine(ticket, past)}
    done |= set() if ticket.connector_id else CONNECTORS_ONLY
    done |= set() if policy.resets_per_day else RESETS
    return next((step for step in ladder.steps if step not in done), None)


def _mine(ticket: Ticket, past: Past) -> list[Tried]:
    return [tried for tried in past.tried if tried.ticket_id == ticket.ticket_id]


def _over(at: datetime | None, lasts: timedelta, now: datetime) -> bool:
    return at is None or now - at >= lasts


def _opened_at(ticket: Ticket) -> datetime:
    return max((event.at for event in ticket.events if event.action in _OPENINGS), default=ticket.opened_at)


_TAKEN = frozenset({TicketAction.ACKNOWLEDGED, TicketAction.ASSIGNED})
_OPENINGS = frozenset({TicketAction.OPENED, TicketAction.REOPENED})
_UPDATING = frozenset(
    {
        "DownloadScheduled",
        "Downloading",
        "DownloadPaused",
        "Downloaded",
        "SignatureVerified",
        "InstallScheduled",
        "Installing",
        "InstallRebooting",
    }
)
_IDLE = frozenset(
    {
        ConnectorState.AVAILABLE,
        ConnectorState.FINISHING,
        ConnectorState.UNAVAILABLE,
        ConnectorState.FAULTED,
    }
)
_HANGING = frozenset({ConnectorState.PREPARING})
"""The connector at fault may hang before a session; at another one somebody may be about to charge."""


# What the engine hears


def present_of(view: StationView, findings: Iterable[Finding]) -> Present:
    """A station as the engine has it. Connector 0 is no place to charge at, but may report codes."""
    connectors = list(view.connectors.values())
    return Present(
        connected=view.connected,
        linked_at=view.link_since,
        statuses={c.connector_id: _status(c) for c in connectors if c.connector_id},
        in_session=any(c.session is not None for c in connectors),
        ended_at=max((c.last_ended_at for c in connectors if c.last_ended_at is not None), default=None),
        codes=frozenset(code for c in connectors for code in _codes(c)),
        firmware=view.firmware_status,
        firmware_at=view.firmware_status_at,
        found=frozenset((f.fault, f.asset.kind, f.asset.id) for f in findings),
    )


def _status(connector: ConnectorView) -> ConnectorState:
    return ConnectorState.UNKNOWN if connector.stale else connector.status


def _codes(connector: ConnectorView) -> tuple[str, ...]:
    if connector.error in ("NoError", "") and not connector.codes:
        return ()
    return (*connector.codes, *look_up(connector.error, connector.codes)[1].mrec)


# What the ticket's history tells


def tried_of(ticket: Ticket) -> list[Tried]:
    """The steps that its history tells of, oldest first."""
    mine = [event for event in ticket.events if event.action is TicketAction.REMEDIATED]
    refused = {event.data["command_id"] for event in mine if event.data.get("outcome") in _REFUSALS}
    return [
        Tried(ticket.ticket_id, Step(event.data["step"]), event.at, event.data["command_id"] in refused)
        for event in mine
        if "step" in event.data
    ]


_REFUSALS = frozenset({CommandStatus.REJECTED, CommandStatus.CALLERROR, CommandStatus.INVALID})


def helped(ticket: Ticket) -> Step | None:
    """The step after which the fault went, when it goes now: the last one since it came, if nobody else can have
    mended it."""
    since = [event for event in ticket.events if event.at >= _opened_at(ticket)]
    if is_given_up(ticket) or any(event.action in _TAKEN for event in since):
        return None
    steps = [tried for tried in tried_of(ticket) if tried.at >= _opened_at(ticket) and not tried.refused]
    return steps[-1].step if steps else None


def is_given_up(ticket: Ticket) -> bool:
    """Whether its history says already that nothing is left to try, since the fault came (back)."""
    return any(e.data.get("reason") == Reason.EXHAUSTED for e in ticket.events if e.at >= _opened_at(ticket))


def trying(step: Step, action: str, command_id: str, at: datetime) -> TicketEvent:
    """Written before the command is sent: after a crash it counts as tried."""
    return _event(at, f"Trying: {WORDS[step]} ({action}).", step=str(step), command_id=command_id)


def answered(action: str, status: CommandStatus, detail: str, command_id: str, at: datetime) -> TicketEvent:
    words = f"{action}: {status.replace('_', ' ')}" + (f", {detail}" if detail else "")
    return _event(at, f"{words.rstrip('.')}.", outcome=str(status), command_id=command_id)


def unanswered(ticket: Ticket) -> list[str]:
    """Ids of commands whose outcome its history does not tell."""
    mine = [event.data for event in ticket.events if event.action is TicketAction.REMEDIATED]
    known = {data["command_id"] for data in mine if "outcome" in data}
    return [data["command_id"] for data in mine if "step" in data and data["command_id"] not in known]


def interrupted(sent: SentCommand | None, command_id: str, at: datetime) -> TicketEvent:
    """The outcome of a step in which we were stopped, as far as the history of commands has it."""
    if sent is not None and sent.status is not None:
        return answered(sent.action, sent.status, "", command_id, at)
    words = "What came of it is not known: the detector was stopped meanwhile."
    return _event(at, words, outcome="unknown", command_id=command_id)


def gave_up(at: datetime) -> TicketEvent:
    words = "Everything has been tried that may be tried from afar. This one is for people."
    return _event(at, words, reason=str(Reason.EXHAUSTED))


def _event(at: datetime, words: str, **data: str) -> TicketEvent:
    return TicketEvent(at=at, action=TicketAction.REMEDIATED, actor=ACTOR, detail=words, data=data)
