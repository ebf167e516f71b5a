"""The words of a notification, for somebody who stands in front of the station with a phone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader

from detector.notify.routes import Event
from detector.rules import RULES
from laddvakt.domain.commands import SentCommand
from laddvakt.domain.stations import Site, Station
from laddvakt.domain.tickets import UNSETTLED, Evidence, Severity, Ticket, TicketAction, TicketEvent
from laddvakt.domain.toolkit import to_bring

LISTED = 30
"""Tickets that one message names; of the rest it says how many."""

_SEVERITY = {Severity.P1: "safety", Severity.P2: "down", Severity.P3: "degraded", Severity.P4: "watch"}
_TITLES = {rule.code: rule.title for rule in RULES}
_WHAT_HAPPENED = {
    Event.OPENED: "New fault",
    Event.REOPENED: "The fault is back",
    Event.WORSE: "Worse than before",
    Event.ESCALATED: "Nobody has taken this yet",
    Event.REMINDER: "Still nobody has taken this",
    Event.EXPLAINED: "Part of another fault now",
    Event.RESOLVED: "The fault is gone",
}
_ENDS = frozenset({TicketAction.CLEARED, TicketAction.RESOLVED})
OVER = frozenset({Event.RESOLVED, Event.EXPLAINED})
_page = Environment(
    loader=PackageLoader("detector.notify", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
).get_template("mail.html")


class Subject(NamedTuple):
    """A ticket and what is known around it. `zone` is where the site does not say."""

    ticket: Ticket
    site: Site | None
    station: Station | None
    last_told: SentCommand | None
    zone: ZoneInfo

    @property
    def local(self) -> ZoneInfo:
        return self.zone if self.site is None else self.site.zone


class Message(NamedTuple):
    """Plain text, the same as HTML for mail, and a line for services that carry no more."""

    title: str
    body: str
    html: str
    brief: str
    link: str = ""


class Links(NamedTuple):
    """Where the ticket can be read, and where it can be acknowledged; empty where nobody said how people reach the
    pages."""

    ticket: str = ""
    acknowledge: str = ""


def ticket_link(ticket_id: str, public_url: str) -> str:
    return f"{public_url.rstrip('/')}/tickets?ticket={ticket_id}" if public_url else ""


def compose(subject: Subject, event: Event, links: Links) -> Message:
    """One event of one ticket. Times are the site's own."""
    ticket, zone = subject.ticket, subject.local
    title = f"[{_mark(ticket, event)}] {ticket.asset.id}: {fault_title(ticket.fault)}"
    headline = _headline(ticket, event)
    facts = [fact for fact in _facts(subject, over=event in OVER) if fact[1]]
    evidence = [_evidence(item, zone) for item in ticket.evidence]
    lines = [headline, "", *(f"{label}: {value}" for label, value in facts)]
    if evidence:
        lines += ["", "Evidence:", *(f"- {item}" for item in evidence)]
    lines += ["", *(f"{label}: {url}" for label, url in _shown(links)), f"Ticket {ticket.ticket_id}"]
    where = f"{_where(subject)}, since {_time(ticket.opened_at, zone)}"
    brief = _sentences(headline, where, links.acknowledge or links.ticket)
    html = _page.render(
        title=title, headline=headline, facts=facts, evidence=evidence, links=_shown(links), foot=ticket.ticket_id
    )
    return Message(title, "\n".join(lines), html, brief, links.ticket)


def digest(subjects: Sequence[tuple[Subject, Event]], public_url: str) -> Message:
    """Many tickets, each once, the gravest first."""
    ranked = sorted(
        subjects, key=lambda item: (item[1] in OVER, item[0].ticket.severity, item[0].ticket.opened_at)
    )
    lines = [_line(subject, event) for subject, event in ranked[:LISTED]]
    if len(ranked) > LISTED:
        lines.append(f"... and {len(ranked) - LISTED} more")
    over = sum(event in OVER or s.ticket.state not in UNSETTLED for s, event in ranked)
    mark = "OK" if over == len(ranked) else min(s.ticket.severity for s, _ in ranked)
    counts = Counter(fault_title(subject.ticket.fault) for subject, _ in ranked)
    headline = ", ".join(f"{count} x {fault}" for fault, count in counts.most_common(3))
    headline += f" and {len(counts) - 3} other faults" if len(counts) > 3 else ""
    title = f"[{mark}] {len(ranked)} tickets" + (f", {over} of them over" if over else "")
    link = f"{public_url.rstrip('/')}/tickets" if public_url else ""
    shown = [("All tickets", link)] if link else []
    body = "\n".join([f"{headline}.", "", *lines, *(["", f"All tickets: {link}"] if link else [])])
    html = _page.render(title=title, headline=f"{headline}.", facts=[], evidence=lines, links=shown, foot="")
    brief = _sentences(headline, link)
    return Message(title, body, html, brief, link)


def _sentences(*parts: str) -> str:
    return ". ".join(part.rstrip(".") for part in parts if part)


def fault_title(fault: str) -> str:
    return _TITLES.get(fault, fault.replace("_", " "))


def _mark(ticket: Ticket, event: Event) -> str:
    return "OK" if event in OVER else ticket.severity


def _headline(ticket: Ticket, event: Event) -> str:
    what = _WHAT_HAPPENED[event]
    if event is Event.RESOLVED:
        what = next((_resolver(e) for e in reversed(ticket.events) if e.action in _ENDS), what)
    elif event is Event.EXPLAINED and ticket.held_by:
        what = f"Part of ticket {ticket.held_by} now"
    elif event not in OVER and ticket.state not in UNSETTLED:
        what += " (over by now)"
    return f"{what}: {ticket.explanation}"


def _resolver(event: TicketEvent) -> str:
    if event.action is TicketAction.CLEARED:
        return _WHAT_HAPPENED[Event.RESOLVED]
    return f"Resolved by {event.actor}" + (f" ({event.detail})" if event.detail else "")


def _facts(subject: Subject, *, over: bool) -> list[tuple[str, str]]:
    """Label and value, in the order in which somebody wants to know them; empty values are left out."""
    ticket, zone = subject.ticket, subject.local
    until = "" if ticket.resolved_at is None else _time(ticket.resolved_at, zone)
    severity = f"{ticket.severity}, {_SEVERITY[Severity(ticket.severity)]}"
    return [
        ("What", f"{fault_title(ticket.fault)} ({severity})"),
        ("Where", _where(subject)),
        ("Map", _map(subject.site)),
        ("Since", _time(ticket.opened_at, zone)),
        ("Until", until),
        ("How sure", f"{ticket.confidence * 100:.0f} %"),
        ("ChargeX code", ", ".join(ticket.mrec)),
        ("Probable cause", ticket.probable_cause),
        ("Could also be", "" if over else _others(ticket)),
        ("What to do", "" if over else ticket.suggested_action),
        ("What to bring", "" if over else to_bring(ticket)),
        ("Last told", "" if over else _last_told(subject.last_told, zone)),
    ]


def _shown(links: Links) -> list[tuple[str, str]]:
    both = (("Acknowledge", links.acknowledge), ("Open", links.ticket))
    return [(label, url) for label, url in both if url]


def _where(subject: Subject) -> str:
    ticket, site, station = subject.ticket, subject.site, subject.station
    parts = [site.name if site is not None else ticket.site_id or ""]
    if ticket.asset.kind == "site":
        return parts[0] or ticket.asset.id
    connector = station.connector(ticket.connector_id) if station and ticket.connector_id else None
    parts.append(f"station {ticket.station_id}")
    if connector is not None and connector.bay:
        parts.append(connector.bay)
    if ticket.connector_id:
        parts.append(f"connector {ticket.connector_id}")
    if ticket.asset.kind == "cable":
        parts.append(f"cable {ticket.asset.id}")
    return ", ".join(part for part in parts if part)


def _map(site: Site | None) -> str:
    if site is None or site.latitude is None or site.longitude is None:
        return ""
    return f"https://www.openstreetmap.org/?mlat={site.latitude}&mlon={site.longitude}"


def _others(ticket: Ticket) -> str:
    others = [suspect for suspect in ticket.suspects if suspect.asset != ticket.asset]
    names = [("the vehicle" if s.asset.kind == "vehicle" else f"{s.asset.kind} {s.asset.id}") for s in others]
    return ", ".join(f"{name} ({s.share * 100:.0f} %)" for name, s in zip(names, others, strict=True))


def _last_told(command: SentCommand | None, zone: ZoneInfo) -> str:
    if command is None:
        return ""
    who = f" by {command.actor}" if command.actor else ""
    return f"{command.action}{who}, {_time(command.sent_at, zone)}: {command.status or 'no answer yet'}"


def _line(subject: Subject, event: Event) -> str:
    ticket = subject.ticket
    ended = event in OVER or ticket.state not in UNSETTLED
    mark, when = ("OK", "until") if ended else (str(ticket.severity), "since")
    at = (ticket.resolved_at or ticket.updated_at) if ended else ticket.opened_at
    return f"[{mark}] {fault_title(ticket.fault)}: {_where(subject)}, {when} {_time(at, subject.local)}"


def _evidence(item: Evidence, zone: ZoneInfo) -> str:
    text = f"{item.label}: {item.value}"
    if item.threshold:
        text += f" (limit {item.threshold})"
    if item.peers:
        text += f"; {item.peers}"
    if item.at is not None:
        text += f", {_time(item.at, zone)}"
    return text


def _time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
