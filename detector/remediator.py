"""Climbs the remediation ladder: asks `remediation` what to do, writes it down, sends it, notes what came of it.

A step is in the ticket's history and in the audit before it is sent. So after a crash it may have stayed unsent;
it is never sent twice.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from detector import remediation
from detector.ladders import RESETS, command_for
from detector.notify.postman import InThread
from detector.remediation import A_DAY, ACTOR, Past, Policy, Present, Reason, Tried, next_step
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.silences import covering, place_of
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Ticket, TicketEvent, apply_event
from laddvakt.stores.ports import AuditItem, Records, Work

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 15.0
SHORTEST_LOOK_S = 0.5

HANDS_ON = frozenset(
    {
        "ChangeAvailability",
        "ChangeConfiguration",
        "GetDiagnostics",
        "GetLog",
        "Reset",
        "SetVariables",
        "SignedUpdateFirmware",
        "UnlockConnector",
        "UpdateFirmware",
    }
)
"""Commands that say that a person works on a station. Starts, limits and lists are everyday traffic."""


class Commands(Protocol):
    """The way to the collector that holds a station, the same as operators' commands go."""

    async def ask(self, request: CommandRequest) -> CommandResult: ...  # raises EventLogError: the way is broken


class _Order(NamedTuple):
    """A step that is written down and has to be sent."""

    ticket_id: str
    request: CommandRequest


class _Line(NamedTuple):
    """A line for a ticket's history, and what goes to the station with it."""

    event: TicketEvent
    request: CommandRequest | None


class Remediator:
    """`run` until cancelled. `present` says what is heard of a station now, None where that is not known;
    `changed` is told of tickets whose history got a line."""

    def __init__(
        self,
        policy: Policy,
        records: Records,
        commands: Commands,
        *,
        clock: Callable[[], datetime],
        in_thread: InThread,
        present: Callable[[str], Present | None],
        changed: Callable[[Ticket], Awaitable[None]],
    ) -> None:
        self._policy = policy
        self._records = records
        self._commands = commands
        self._clock = clock
        self._in_thread = in_thread
        self._present = present
        self._changed = changed

    async def run(self) -> None:
        """Returns at once where no site is enabled."""
        pause_s = max(SHORTEST_LOOK_S, min(LOOK_EVERY_S, self._policy.wait.total_seconds()))
        if self._policy.sites:
            await self._in_thread(self._check_sites)
            await self._tell(await self._in_thread(self._interrupted))
        while self._policy.sites:
            await self.round()
            await asyncio.sleep(pause_s)

    async def round(self) -> None:
        """Each ticket that wants a step gets one."""
        present = {station_id: self._present(station_id) for station_id in await self._in_thread(self._stations)}
        if not present:
            return
        orders, changed = await self._in_thread(partial(self._claim, present))
        await self._tell(changed)
        await asyncio.gather(*(self._carry_out(order) for order in orders))

    async def _carry_out(self, order: _Order) -> None:
        try:
            result = await self._commands.ask(order.request)
            status, detail = result.status, result.detail or (result.error.code if result.error else "")
        except EventLogError as error:
            status, detail = CommandStatus.NOT_SENT, str(error)
        await self._tell(await self._in_thread(partial(self._answered, order, status, detail)))

    async def _tell(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            await self._changed(ticket)

    # On the records

    def _check_sites(self) -> None:
        """A site that does not exist yet may come with the next network file, so it is no error."""
        with self._records.read() as work:
            known = {site.site_id for site in work.stations.sites()}
        for site_id in sorted(self._policy.sites - known - {"*"}):
            logger.warning("remediation.sites: there is no site %r in the network file", site_id)

    def _stations(self) -> set[str]:
        """Where something may be tried, as far as the tickets themselves say."""
        with self._records.read() as work:
            return {t.station_id for t in work.tickets.unsettled() if remediation.unfit(t) is None}

    def _claim(self, present: Mapping[str, Present | None]) -> tuple[list[_Order], list[Ticket]]:
        """Writes the steps down that it is time for: what to send, and the tickets that changed."""
        now = self._clock()
        with self._records.read() as work:
            look = _Look(work, now)
            wanted = [t for t in look.recent.values() if self._line(t, look, present, now) is not None]
        if not wanted:
            return [], []
        orders, changed = [], []
        with self._records.begin() as work:
            look = _Look(work, now)
            for ticket_id in [ticket.ticket_id for ticket in wanted]:
                ticket = look.recent.get(ticket_id)
                line = self._line(ticket, look, present, now) if ticket is not None else None
                if ticket is None or line is None:
                    continue
                look.recent[ticket_id] = kept = _keep(work, ticket, line.event)
                changed.append(kept)
                orders += [_Order(ticket_id, line.request)] if line.request is not None else []
        return orders, changed

    def _line(
        self, ticket: Ticket, look: _Look, present: Mapping[str, Present | None], now: datetime
    ) -> _Line | None:
        """What to write into a ticket's history, and to send; None: nothing, for now."""
        here = present.get(ticket.station_id)
        if here is None or remediation.unfit(ticket) is not None:
            return None
        decision = next_step(ticket, here, look.past(ticket), self._policy, now)
        logger.debug("ticket %s: %s", ticket.ticket_id, decision.reason)
        if decision.reason is Reason.EXHAUSTED and not remediation.is_given_up(ticket):
            return _Line(remediation.gave_up(now), None)
        if decision.step is None:
            return None
        station = look.station(ticket.station_id)
        action, payload = command_for(decision.step, ticket, station.protocol if station else None)
        request = CommandRequest(
            command_id=uuid.uuid4().hex,
            station_id=ticket.station_id,
            action=action,
            payload=payload,
            actor=ACTOR,
        )
        return _Line(remediation.trying(decision.step, action, request.command_id, now), request)

    def _answered(self, order: _Order, status: CommandStatus, detail: str) -> list[Ticket]:
        """What came of a step: in the ticket's history, and in the audit as that of any command."""
        now, request = self._clock(), order.request
        with self._records.begin() as work:
            said = {
                "command": request.action,
                "payload": request.payload,
                "outcome": str(status),
                "command_id": request.command_id,
                "ticket_id": order.ticket_id,
            }
            work.people.audit(
                AuditItem(at=now, actor=ACTOR, action="station.command", object=request.station_id, detail=said)
            )
            ticket = work.tickets.get(order.ticket_id)
            if ticket is None:
                return []
            event = remediation.answered(request.action, status, detail, request.command_id, now)
            return [_keep(work, ticket, event)]

    def _interrupted(self) -> list[Ticket]:
        """Steps whose outcome nobody wrote down, because we were stopped meanwhile: it is looked up."""
        now, changed = self._clock(), []
        with self._records.begin() as work:
            for ticket in _Look(work, now).recent.values():
                for command_id in remediation.unanswered(ticket):
                    sent = work.commands.get(ticket.station_id, command_id)
                    event = remediation.interrupted(sent, command_id, now)
                    changed.append(_keep(work, work.tickets.get(ticket.ticket_id) or ticket, event))
        return changed


class _Look:
    """The tickets of the last day as they are stored now, and what the records say around one of them."""

    def __init__(self, work: Work, now: datetime) -> None:
        self._work, self._now = work, now
        found = [*work.tickets.settled_since(now - A_DAY), *work.tickets.unsettled()]
        self.recent = {ticket.ticket_id: ticket for ticket in found}
        self._silences = work.silences.overlapping(now, now)

    def station(self, station_id: str) -> Station | None:
        return self._work.stations.get(station_id)

    def past(self, ticket: Ticket) -> Past:
        work, station_id, since = self._work, ticket.station_id, self._now - A_DAY
        station = self.station(station_id)
        site_id = ticket.site_id or (station.site_id if station else None)
        here = [other for other in self.recent.values() if other.station_id == station_id]
        beside = [
            other
            for other in self.recent.values()
            if other.station_id != station_id and site_id is not None and other.site_id == site_id
        ]
        hands_on = [one for one in work.commands.of(station_id, HANDS_ON, since) if one.actor != ACTOR]
        place = msgspec.structs.replace(place_of(ticket), site_id=site_id)
        return Past(
            site_id=site_id,
            tried=_tried(here),
            resets_by_others=tuple(one.sent_at for one in hands_on if one.action == "Reset"),
            person_at=max((one.sent_at for one in hands_on), default=None),
            neighbour=max((one.at for one in _tried(beside) if one.step in RESETS), default=None),
            in_session=bool(work.sessions.unended([station_id])),
            danger=any(map(remediation.is_danger, here)),
            silenced=covering(self._silences, place, ticket.fault, self._now) is not None,
        )


def _tried(tickets: Iterable[Ticket]) -> tuple[Tried, ...]:
    return tuple(
        sorted((one for ticket in tickets for one in remediation.tried_of(ticket)), key=lambda one: one.at)
    )


def _keep(work: Work, ticket: Ticket, event: TicketEvent) -> Ticket:
    """The ticket with a line more in its history; the audit gets the same."""
    changed = apply_event(ticket, event)
    work.tickets.save(changed)
    detail = {**event.data, "comment": event.detail, "station_id": ticket.station_id}
    work.people.audit(
        AuditItem(
            at=event.at, actor=ACTOR, action=f"ticket.{event.action}", object=ticket.ticket_id, detail=detail
        )
    )
    logger.info("ticket %s: %s", ticket.ticket_id, event.detail)
    return changed
