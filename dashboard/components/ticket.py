"""What is told of one ticket: what it is, why we think so, what belongs to it, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dash import dcc, html
from dash.development.base_component import Component

from dashboard import formats, queries
from dashboard.components import deliveries, desk, tiles, words
from dashboard.components.shell import aria
from dashboard.figures.evidence import evidence_chart
from laddvakt.domain.commands import SentCommand
from laddvakt.domain.silences import Silence, SilenceKind
from laddvakt.domain.tickets import UNSETTLED, Asset, Chart, Evidence, Suspect, Ticket, TicketEvent
from laddvakt.domain.times import rfc3339
from laddvakt.domain.toolkit import to_bring

MAP = "https://www.openstreetmap.org/?mlat={0}&mlon={1}#map=17/{0}/{1}"


def detail_head(found: queries.TicketDetail, *, zone: ZoneInfo) -> list[Component | None]:
    """What it is, where, and what to do about it."""
    ticket = found.ticket
    return [
        html.Div(
            [desk.severity_chip(ticket.severity), desk.badge(words.TICKET[ticket.state])],
            className="badges",
        ),
        html.H2(f"{words.fault_title(ticket.fault)}: {tiles.asset_text(ticket)}", className="ticket-name"),
        html.P(place(found), className="place"),
        html.P(ticket.probable_cause, className="lead") if ticket.probable_cause else None,
        *standing(found, zone),
        todo(ticket),
    ]


def place(found: queries.TicketDetail) -> list[Any]:
    """`Norra hamnen, bay 4, connector 1`, and the way there where the site says where it is."""
    ticket, site = found.ticket, found.site
    connector = found.station.connector(ticket.connector_id) if found.station and ticket.connector_id else None
    parts = [
        site.name if site else ticket.site_id or "",
        "" if ticket.asset.kind == "site" else f"station {ticket.station_id}",
        (connector.bay or "") if connector else "",
        f"connector {ticket.connector_id}" if ticket.connector_id else "",
    ]
    said: list[Any] = [", ".join(part for part in parts if part)]
    if site is not None and site.latitude is not None and site.longitude is not None:
        said += [
            " ",
            html.A("Map", href=MAP.format(site.latitude, site.longitude), target="_blank", rel="noopener"),
        ]
    return said


def todo(ticket: Ticket) -> Component | None:
    """The remedy and what to pack; nothing of it once the fault is over."""
    if ticket.state not in UNSETTLED:
        return None
    bring = to_bring(ticket)
    parts = [
        *([html.H3("Do this"), html.P(ticket.suggested_action)] if ticket.suggested_action else []),
        html.H3("Bring"),
        html.P(f"{bring[:1].upper()}{bring[1:]}."),
    ]
    return html.Div(parts, className="todo")


def detail(found: queries.TicketDetail, *, zone: ZoneInfo, now: datetime) -> Component:
    """Why we think so, and the facts around it."""
    ticket = found.ticket
    parts = [
        html.H3("Evidence"),
        html.P(ticket.explanation) if ticket.explanation else None,
        picture(ticket.chart, zone),
        evidence(ticket.evidence, zone),
        suspects(ticket.suspects),
        desk.facts(
            (
                ("Ticket", ticket.ticket_id),
                ("Station", desk.link(ticket.station_id, f"/stations?station={ticket.station_id}")),
                ("Model", station_model(found)),
                ("Site", found.site.name if found.site else ticket.site_id),
                ("Opened", since(ticket.opened_at, now, zone)),
                ("Resolved", formats.local_seconds(ticket.resolved_at, zone)),
                ("Assigned to", ticket.assignee),
                ("Confidence", formats.percent(ticket.confidence * 100)),
                ("Times found", str(ticket.findings)),
                ("Codes", ", ".join(ticket.mrec)),
                ("Revenue at risk", formats.money(ticket.revenue_at_risk) if ticket.revenue_at_risk else ""),
                ("Verdict", verdict(ticket)),
            )
        ),
        links("Also open at this station", found.others),
        links("Related", found.related),
        last_told(found.commands, zone),
        deliveries.told(found.deliveries, zone),
    ]
    return html.Div([part for part in parts if part is not None], className="card")


def since(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    return f"{formats.local_seconds(at, zone)}, {formats.duration((now - at).total_seconds())} ago"


def station_model(found: queries.TicketDetail) -> str:
    station = found.station
    return "" if station is None else " ".join(part for part in (station.vendor, station.model) if part)


def evidence(items: tuple[Evidence, ...], zone: ZoneInfo) -> Component:
    """The readings that speak for the fault, each with its threshold and the peers it was compared with."""
    if not items:
        return html.P("No readings were kept with this ticket.", className="note")
    rows = [
        [
            item.label,
            html.Strong(item.value),
            item.threshold,
            item.peers,
            formats.local(item.at, zone),
        ]
        for item in items
    ]
    heads = ("Reading", "Value", "Threshold", "Compared with", "When")
    return desk.simple_table(heads, rows, label="Evidence", stacked=True)


def links(title: str, found: Sequence[Ticket]) -> Component | None:
    """Other tickets, each with what it is, where, and how it stands."""
    if not found:
        return None
    items = [
        html.Li(
            [
                desk.severity_chip(other.severity),
                " ",
                html.A(words.fault_title(other.fault), href=f"/tickets?ticket={other.ticket_id}"),
                f" at {tiles.asset_text(other)}, {words.TICKET[other.state].word.lower()}",
            ]
        )
        for other in found
    ]
    return html.Div([html.H3(title), html.Ul(items, className="bare")])


def standing(found: queries.TicketDetail, zone: ZoneInfo) -> list[Component]:
    """What else is to be known before somebody goes there."""
    ticket = found.ticket
    said: list[Any] = []
    if found.silence is not None:
        said.append([*silenced(found.silence, zone), html.A("Planned work", href="/silences"), "."])
    if ticket.flapping_since is not None:
        said.append("The fault comes and goes: this ticket stays open until it is calm.")
    if ticket.storm is not None:
        said.append("One of many tickets of this fault that opened within minutes: look for one cause.")
    if ticket.held_by is not None:
        link = html.A(ticket.held_by, href=f"/tickets?ticket={ticket.held_by}")
        said.append(["Another ticket explains it: ", link, "."])
    return [html.P(words_, className="standing") for words_ in said]


def silenced(silence: Silence, zone: ZoneInfo) -> list[Any]:
    """Until when nobody is called, who said so and why."""
    what = "Planned work" if silence.kind is SilenceKind.MAINTENANCE else "Quiet time"
    who = f"{silence.reason} ({silence.created_by})"
    return [html.Strong(f"{what} until {formats.local(silence.end, zone)}"), f", nobody is called: {who}. See "]


def picture(chart: Chart | None, zone: ZoneInfo) -> Component | None:
    """The table below it has the same in words, for those who cannot see it."""
    if chart is None:
        return None
    graph = dcc.Graph(
        figure=evidence_chart(chart, zone=zone), config={"displayModeBar": False, "responsive": True}
    )
    title = f"{chart.label}, {chart.unit}" if chart.unit else chart.label
    return html.Figure(
        [
            html.Figcaption(title, className="note"),
            html.Div(graph, role="img", className="evidence-chart", **aria(label=told_by(chart))),
        ]
    )


def told_by(chart: Chart) -> str:
    """A chart in one sentence."""
    last = [f"{series.name} last {series.points[-1][1]:.4g}" for series in chart.series if series.points]
    known = (("threshold", chart.threshold), ("normal", chart.normal))
    levels = [f"{name} {value:.4g}" for name, value in known if value is not None]
    return f"{chart.label} over time in {chart.unit or 'numbers'}: {', '.join([*last, *levels])}"


def suspects(found: Sequence[Suspect]) -> Component | None:
    """What it may lie in, the likeliest first, with the reasons."""
    if not found:
        return None
    items = [
        html.Li(
            [
                html.Div(
                    [html.Strong(asset_name(one.asset)), html.Span(formats.percent(one.share * 100))],
                    className="suspect-head",
                ),
                html.Div(
                    html.Div(style={"width": f"{min(1.0, max(0.0, one.share)) * 100:.0f}%"}),
                    className="share",
                    **aria(hidden="true"),
                ),
                html.Div("; ".join(one.why), className="note") if one.why else None,
            ]
        )
        for one in found
    ]
    return html.Div([html.H3("Whose fault"), html.Ol(items, className="bare suspects")])


def asset_name(asset: Asset) -> str:
    """`cable C-17`, `connector SE-1/2`, `a vehicle`: whose, nobody need know."""
    return "a vehicle" if asset.kind == "vehicle" else f"{asset.kind} {asset.id}"


def verdict(ticket: Ticket) -> str:
    right = f": it was {asset_name(ticket.right_asset)}" if ticket.right_asset is not None else ""
    return f"{ticket.verdict.replace('_', ' ')}{right}" if ticket.verdict else ""


def last_told(found: Sequence[SentCommand], zone: ZoneInfo) -> Component | None:
    """What the station was told last: a limit or a reset may be the cause."""
    if not found:
        return None
    rows = [[formats.local(one.sent_at, zone), one.action, one.actor, _outcome(one)] for one in found]
    title = "What the station was told last"
    heads = ("Sent", "Command", "By", "Answer")
    return html.Div([html.H3(title), desk.simple_table(heads, rows, label=title, stacked=True)])


def _outcome(one: SentCommand) -> str:
    return "no answer yet" if one.status is None else one.status.replace("_", " ")


def history(ticket: Ticket, zone: ZoneInfo) -> Component:
    """Everything that happened, the newest first."""
    events = [html.Li(event_line(event, zone)) for event in reversed(ticket.events)]
    return html.Div([html.H3("History"), html.Ol(events, className="history")], className="card")


def event_line(event: TicketEvent, zone: ZoneInfo) -> list[Any]:
    extra = event.data.get("assignee") or event.data.get("verdict")
    what = f"{words.ACTION[event.action]}{f': {extra}' if extra else ''}".replace("_", " ")
    return [
        html.Div([html.Strong(event.actor), f" {what}"]),
        html.Div(event.detail, className="history-detail") if event.detail else None,
        html.Time(formats.local_seconds(event.at, zone), dateTime=rfc3339(event.at), className="note"),
    ]
