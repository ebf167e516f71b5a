"""The ticket desk: applies decisions to the stored tickets, inside the caller's transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from detector.changes import Change, ChangeKind, finding_key
from detector.grouping import MAX_RELATED, NEAR, Storms, related
from detector.kinship import FAMILIES, goes_along, same_trouble
from detector.tickets import (
    DEFAULT,
    GOOD_SESSION_WH,
    HELD_BACK,
    Decision,
    Policy,
    Reason,
    decide,
    due_at,
    lives,
    review,
    verify,
)
from detector.worth import Worth
from laddvakt.domain.silences import Place, Silence, covering
from laddvakt.domain.tickets import UNSETTLED, Asset, Finding, Ticket, TicketState
from laddvakt.stores.ports import Work

logger = logging.getLogger(__name__)

REMEMBER = timedelta(days=31)
"""How long a settled ticket may still be verified, or wait to be closed."""
LOOK_EVERY = timedelta(seconds=30)
"""How often time alone may change tickets: silences that end, calm, closing."""
LOOK_AGAIN = timedelta(minutes=5)
"""When a ticket that was due, and did not change, is looked at again."""
LOOKS = 200
"""Tickets in one look; the others come in the next."""
_NOW = datetime.min.replace(tzinfo=UTC)

_Key = tuple[str, str, str]
_OPENS = {Reason.NEW_FAULT, Reason.CAME_BACK, Reason.OUTLASTED, Reason.STILL_STANDS}
_HAS_TICKET = {
    *(Reason.NOTHING_NEW, Reason.TOO_SOON, Reason.MORE_EVIDENCE, Reason.NAMED, Reason.SETTLED_BY_PERSON),
    Reason.GOES_ALONG,
}
_PROVED = {TicketState.VERIFIED, TicketState.CLOSED}
_GOES_ALONG = Decision(Reason.GOES_ALONG)
_VALUED = {*_OPENS, Reason.MORE_EVIDENCE, Reason.NAMED}


class Desk:
    """Knows which tickets exist; reads each afresh before it changes it, because people change them too.

    `handle` and `look` may be called again with the same changes after a failed transaction: they decide from what
    is stored, and what the desk itself remembers only says where to look. So nothing happens twice."""

    def __init__(self, site_of: Callable[[str], str | None], policy: Policy = DEFAULT) -> None:
        self._site_of = site_of
        self._policy = policy
        self._storms = Storms(policy)
        self._worth = Worth(policy.margin)
        self._newest: dict[_Key, _Newest] = {}
        self._keys_of: dict[str, set[_Key]] = {}  # station -> what its tickets are about
        self._of_station: dict[str, dict[str, datetime]] = {}
        self._of_site: dict[str, dict[str, datetime]] = {}
        self._found: set[_Key] = set()  # findings that stand
        self._waiting: dict[_Key, Finding] = {}  # findings that stand without an open ticket
        self._open: set[str] = set()  # tickets that are unsettled, as far as we have heard
        self._due: dict[str, datetime] = {}  # ticket -> when time may change it
        self._look_at = _NOW

    def load(self, work: Work, now: datetime, standing: Iterable[Finding] = ()) -> None:
        """Read once, before the first change. `standing` is what the engine holds."""
        self._newest, self._keys_of, self._of_station, self._of_site = {}, {}, {}, {}
        self._open, self._due = set(), {}
        self._storms, self._worth = Storms(self._policy), Worth(self._policy.margin)
        self._waiting = {finding_key(finding): finding for finding in standing}
        self._found = set(self._waiting)
        known = [*work.tickets.settled_since(now - REMEMBER), *work.tickets.unsettled()]
        for ticket in sorted(known, key=lambda ticket: ticket.opened_at):
            self._remember(ticket)
            self._schedule(ticket, now)
            self._worth.learn(ticket)
            if now - ticket.opened_at <= self._policy.storm_within:
                self._storms.note(ticket, ticket.opened_at)

    def concerns(self, change: Change) -> bool:
        """Whether a change can matter to any ticket: most sessions end on stations that have none."""
        return change.kind is not ChangeKind.SESSION or bool(self._of_station.get(change.station_id))

    def handle(self, changes: Iterable[Change], work: Work) -> list[Ticket]:
        """Save what the changes ask for; the changed tickets, each once."""
        round_ = _Round(work)
        for change in changes:
            if change.kind is ChangeKind.SESSION:
                self._verify(change, round_)
            elif change.finding is not None:
                self._apply(change, change.finding, round_)
        return self._finish(round_)

    def wants_a_look(self, now: datetime) -> bool:
        """Whether `look` may have something to do now."""
        if now < self._look_at:
            return False
        return bool(self._waiting) or any(due <= now for due in self._due.values())

    def changed(self, ticket_id: str) -> None:
        """Somebody else changed this ticket: it is looked at soon."""
        self._due[ticket_id] = _NOW

    def look(self, now: datetime, work: Work) -> list[Ticket]:
        """Save what time alone asks for: what stands when a silence ends, faults that are calm, closing."""
        round_ = _Round(work)
        for key, finding in list(self._waiting.items()):
            change = Change(kind=ChangeKind.STILL, at=now, station_id=finding.station_id, finding=finding)
            if self._apply(change, finding, round_) in _HAS_TICKET:
                self._waiting.pop(key, None)
        due = [ticket_id for ticket_id, at in self._due.items() if at <= now]
        for ticket_id in due[:LOOKS]:
            self._review(ticket_id, now, round_)
        self._look_at = now + LOOK_EVERY if len(due) <= LOOKS else now
        return self._finish(round_)

    # One change

    def _apply(self, change: Change, finding: Finding, round_: _Round) -> Reason:
        key = finding_key(finding)
        ticket = self._current(key, finding, round_)
        ended = change.kind is ChangeKind.CLEARED
        if not ended and (ticket is None or not lives(ticket, change.at, self._policy)):
            if self._carried(finding, round_):
                self._follow(key, finding, change, _GOES_ALONG)
                return _GOES_ALONG.reason
            ticket = self._kin(finding, change.at, round_) or ticket
        site_id = self._site(finding.asset, finding.station_id)
        opens = not ended and (ticket is None or ticket.state not in UNSETTLED)
        decision = decide(
            change,
            ticket,
            site_id=site_id,
            policy=self._policy,
            silence=self._silence(finding, site_id, change.at, round_) if opens else None,
            holder=self._holder(change, site_id, round_),
        )
        self._follow(key, finding, change, decision)
        if decision.ticket is not None:
            self._keep(decision, change.at, round_)
        return decision.reason

    def _follow(self, key: _Key, finding: Finding, change: Change, decision: Decision) -> None:
        if change.kind is ChangeKind.CLEARED:
            self._found.discard(key)
            self._waiting.pop(key, None)
            return
        self._found.add(key)
        if decision.reason is Reason.SILENCED or key in self._waiting:
            self._waiting[key] = finding

    def _current(self, key: _Key, finding: Finding, round_: _Round) -> Ticket | None:
        """The open ticket of this fault and asset, also one that a person opened again; else the newest."""
        known = self._newest.get(key)
        newest = round_.fresh(known.ticket_id if known is not None else None)
        if newest is not None and _key(newest) != key:
            newest = None  # it has another name by now
        if newest is not None and newest.state in UNSETTLED:
            return newest
        page = round_.work.tickets.page(states=sorted(UNSETTLED), asset=finding.asset.id)
        ids = [t.ticket_id for t in page.items if _key(t) == key]
        fresh = [t for t in map(round_.fresh, ids) if t is not None and _key(t) == key]  # not renamed meanwhile
        reopened = [t for t in fresh if t.state in UNSETTLED]
        return reopened[0] if reopened else newest

    def _kin(self, finding: Finding, at: datetime, round_: _Round) -> Ticket | None:
        """The ticket of the same trouble under another name, where it goes on: an open one first."""
        alive = [one for one in self._family(finding, round_) if lives(one, at, self._policy)]
        kin = [one for one in alive if same_trouble(finding, one, stands=_key(one) in self._found)]
        return max(kin, key=lambda one: (one.state in UNSETTLED, one.updated_at, one.ticket_id), default=None)

    def _carried(self, finding: Finding, round_: _Round) -> bool:
        """Whether it goes along with an open ticket that has got the name of what explains it, which stands."""
        open_ = [one for one in self._family(finding, round_) if one.state in UNSETTLED]
        return any(_key(one) in self._found and goes_along(finding, one) for one in open_)

    def _family(self, finding: Finding, round_: _Round) -> list[Ticket]:
        """The newest tickets of its station under each name that the same trouble may have."""
        names = FAMILIES.get(finding.fault, frozenset())
        keys = [key for key in self._keys_of.get(finding.station_id, ()) if key[0] in names]
        return [ticket for key in keys if (ticket := round_.fresh(self._newest[key].ticket_id)) is not None]

    def _keep(self, decision: Decision, at: datetime, round_: _Round) -> None:
        ticket = decision.ticket
        if ticket is None:
            return
        if decision.reason in _OPENS:
            self._storms.note(ticket, at)
            round_.opened.append(ticket.ticket_id)
            ticket = self._link(ticket, round_)
        if decision.reason is Reason.HELD_BACK and ticket.held_by is not None:
            ticket = _joined(ticket, ticket.held_by, round_)
        if decision.reason in _VALUED:
            ticket = self._worth.valued(ticket, at, round_.work)
        elif ticket.state not in UNSETTLED:
            self._worth.learn(ticket)
        self._remember(ticket)
        round_.keep(ticket)
        logger.info(
            "ticket %s (%s, %s %s): %s",
            ticket.ticket_id,
            ticket.fault,
            ticket.asset.kind,
            ticket.asset.id,
            decision.reason,
        )

    def _link(self, ticket: Ticket, round_: _Round) -> Ticket:
        """Neighbours know each other from the moment that the later one opens."""
        near = dict(self._of_station.get(ticket.station_id, {}))
        near |= {
            known: opened_at
            for known, opened_at in self._of_site.get(ticket.site_id or "", {}).items()
            if abs(ticket.opened_at - opened_at) <= NEAR
        }
        for known in sorted(near.keys() & self._open, key=lambda known: (near[known], known), reverse=True):
            if len(ticket.related) >= MAX_RELATED:
                break
            other = round_.fresh(known)
            if other is not None and other.state in UNSETTLED and related(ticket, other):
                ticket = _joined(ticket, known, round_)
        return ticket

    def _holder(self, change: Change, site_id: str | None, round_: _Round) -> Ticket | None:
        """The open ticket that the finding was put under: of its station, or of its site."""
        if not change.reason.startswith(HELD_BACK):
            return None
        fault = change.reason.removeprefix(HELD_BACK)
        near = {*self._of_station.get(change.station_id, {}), *self._of_site.get(site_id or "", {})}
        holders = [t for t in map(round_.fresh, sorted(near & self._open)) if t is not None and t.fault == fault]
        return next((t for t in holders if t.state in UNSETTLED), None)

    def _silence(self, finding: Finding, site_id: str | None, at: datetime, round_: _Round) -> Silence | None:
        place = Place(
            asset=finding.asset, station_id=finding.station_id, connector_id=finding.connector_id, site_id=site_id
        )
        return covering(round_.silences(at), place, finding.fault, at)

    def _site(self, asset: Asset, station_id: str) -> str | None:
        return asset.id if asset.kind == "site" else self._site_of(station_id)

    # Sessions and time

    def _verify(self, change: Change, round_: _Round) -> None:
        session = change.session
        mine = self._of_station.get(change.station_id)
        if session is None or not mine or session.energy_wh < GOOD_SESSION_WH:
            return
        for ticket_id, opened_at in list(mine.items()):
            ticket = round_.fresh(ticket_id)
            if ticket is None or ticket.state in _PROVED or change.at - opened_at > REMEMBER:
                del mine[ticket_id]
                continue
            self._keep(verify(session, ticket), change.at, round_)

    def _review(self, ticket_id: str, now: datetime, round_: _Round) -> None:
        ticket = round_.fresh(ticket_id)
        if ticket is None:
            del self._due[ticket_id]
            return
        decision = review(ticket, now, self._policy, found=_key(ticket) in self._found)
        if decision.ticket is not None:
            self._keep(decision, now, round_)
            return
        self._remember(ticket)
        self._schedule(ticket, now)

    def _schedule(self, ticket: Ticket, now: datetime) -> None:
        due = due_at(ticket, self._policy, found=_key(ticket) in self._found)
        if due is None:
            self._due.pop(ticket.ticket_id, None)
        else:
            self._due[ticket.ticket_id] = max(due, now + LOOK_AGAIN)

    # The end of a round

    def _finish(self, round_: _Round) -> list[Ticket]:
        faults = {round_.changed[ticket_id].fault for ticket_id in round_.opened}
        for ticket_id, storm in self._storms.members(faults).items():
            ticket = round_.fresh(ticket_id)
            if ticket is not None and ticket.storm != storm:
                round_.keep(msgspec.structs.replace(ticket, storm=storm))
        for ticket in round_.changed.values():
            round_.work.tickets.save(ticket)
        return list(round_.changed.values())

    def _remember(self, ticket: Ticket) -> None:
        """Where to look for it; what it says is read anew."""
        ticket_id, unsettled = ticket.ticket_id, ticket.state in UNSETTLED
        (self._open.add if unsettled else self._open.discard)(ticket_id)
        this, known = _Newest(unsettled, ticket.opened_at, ticket_id), self._newest.get(_key(ticket))
        if known is None or known.ticket_id == ticket_id or this > known:
            self._newest[_key(ticket)] = this
            self._keys_of.setdefault(ticket.station_id, set()).add(_key(ticket))
        self._of_station.setdefault(ticket.station_id, {})[ticket.ticket_id] = ticket.opened_at
        if ticket.site_id is not None:
            self._of_site.setdefault(ticket.site_id, {})[ticket.ticket_id] = ticket.opened_at
        self._due[ticket.ticket_id] = _NOW  # the stored ticket says when


class _Newest(NamedTuple):
    """The ticket of a fault and asset that counts: one that is open as far as we know, else the newest."""

    unsettled: bool
    opened_at: datetime
    ticket_id: str


class _Round:
    """One transaction: what it changed, and what it read."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.changed: dict[str, Ticket] = {}
        self.opened: list[str] = []
        self._silences: dict[datetime, list[Silence]] = {}

    def fresh(self, ticket_id: str | None) -> Ticket | None:
        if ticket_id is None:
            return None
        return self.changed.get(ticket_id) or self.work.tickets.get(ticket_id)

    def keep(self, ticket: Ticket) -> None:
        self.changed[ticket.ticket_id] = ticket

    def silences(self, at: datetime) -> list[Silence]:
        if at not in self._silences:
            self._silences[at] = self.work.silences.overlapping(at, at)
        return self._silences[at]


def _key(ticket: Ticket) -> _Key:
    return ticket.fault, ticket.asset.kind, ticket.asset.id


def _joined(ticket: Ticket, other_id: str, round_: _Round) -> Ticket:
    """`ticket` with a link to another one, which gets one back."""
    other = round_.fresh(other_id)
    if other is None:
        return ticket
    if ticket.ticket_id not in other.related and len(other.related) < MAX_RELATED:
        round_.keep(msgspec.structs.replace(other, related=(*other.related, ticket.ticket_id)))
    if other_id in ticket.related:
        return ticket
    return msgspec.structs.replace(ticket, related=(*ticket.related, other_id))
