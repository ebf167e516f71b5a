"""The words of a notification, for somebody who stands in front of the station with a phone. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from detector.notify.routes import Event
from detector.rules import RULES
from laddvakt.domain.stations import Site
from laddvakt.domain.tickets import Evidence, Severity, Ticket

_SEVERITY = {Severity.P1: "safety", Severity.P2: "down", Severity.P3: "degraded", Severity.P4: "watch"}
_TITLES = {rule.code: rule.title for rule in RULES}
_WHAT_HAPPENED = {
    Event.OPENED: "New fault",
    Event.REOPENED: "The fault is back",
    Event.WORSE: "Worse than before",
    Event.RESOLVED: "The fault is gone",
    Event.ESCALATED: "Nobody has taken this yet",
}


class Message(NamedTuple):
    """Plain text."""

    title: str
    body: str
    link: str


def link_of(ticket: Ticket, public_url: str) -> str:
    """Where the ticket can be read, or nothing when nobody said how people reach the pages."""
    return f"{public_url.rstrip('/')}/tickets?ticket={ticket.ticket_id}" if public_url else ""


def compose(ticket: Ticket, event: Event, *, site: Site | None, public_url: str, zone: ZoneInfo) -> Message:
    """Title and text of one event of a ticket. Times are the site's own."""
    zone = ZoneInfo(site.timezone) if site is not None else zone
    what = _TITLES.get(ticket.fault, ticket.fault.replace("_", " "))
    where = _where(ticket, site)
    mark = "OK" if event is Event.RESOLVED else ticket.severity
    link = link_of(ticket, public_url)
    lines = [
        f"{_WHAT_HAPPENED[event]}: {ticket.explanation}",
        "",
        f"What: {what} ({ticket.severity}, {_SEVERITY[Severity(ticket.severity)]})",
        f"Where: {where}",
        f"Since: {_time(ticket.opened_at, zone)}",
    ]
    if event is Event.RESOLVED and ticket.resolved_at is not None:
        lines.append(f"Until: {_time(ticket.resolved_at, zone)}")
    lines.append(f"How sure: {ticket.confidence * 100:.0f} %")
    if ticket.mrec:
        lines.append(f"ChargeX code: {', '.join(ticket.mrec)}")
    lines += ["", f"Probable cause: {ticket.probable_cause}"]
    if event is not Event.RESOLVED:
        lines.append(f"What to do: {ticket.suggested_action}")
    lines += ["", "Evidence:", *(f"- {_evidence(item, zone)}" for item in ticket.evidence)]
    lines += ["", f"Ticket {ticket.ticket_id}" + (f": {link}" if link else "")]
    return Message(f"[{mark}] {ticket.asset.id}: {what}", "\n".join(lines), link)


def _where(ticket: Ticket, site: Site | None) -> str:
    parts = [site.name if site is not None else ticket.site_id, f"station {ticket.station_id}"]
    if ticket.connector_id:
        parts.append(f"connector {ticket.connector_id}")
    if ticket.asset.kind == "cable":
        parts.append(f"cable {ticket.asset.id}")
    return ", ".join(part for part in parts if part)


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
