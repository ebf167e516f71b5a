"""Most of a site falls silent at once: one ticket for the site."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from detector.view import StationView
from laddvakt.domain.tickets import Asset, Evidence, Finding, Severity

_RECHECK_S = 60.0
_NAMED = 12


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    HEARD = "heard"  # no station of the site is offline
    FEW = "few"  # some are, but not enough of them fell silent together
    OUT = "out"  # enough fell silent together and are silent still
    BACK = "back"  # most of them are heard again


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stations that fell silent together, and when the first of them was heard last."""

    members: tuple[str, ...] = ()
    since: datetime | None = None


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    site_id = subject.site_id or ""
    stations = {view.station_id: view for view in subject.network.site_stations(site_id)}
    recheck_at = now + timedelta(seconds=_RECHECK_S)
    if memory.members:
        silent = [m for m in memory.members if m in stations and _silent_since(stations[m], memory, thresholds)]
        if len(silent) >= thresholds["stations"] and len(silent) >= len(memory.members) / 2:
            return Verdict(standing=Standing.MET, reason=Reason.OUT, check_at=recheck_at, memory=memory)
        return _back(Reason.BACK, Memory(), thresholds)
    holders = subject.network.holders(site_id, "offline")
    for holder in holders:
        members = _together(holder.view, stations, thresholds)
        if len(members) >= max(thresholds["stations"], thresholds["share"] * len(stations)):
            return Verdict(
                standing=Standing.MET,
                reason=Reason.OUT,
                check_at=recheck_at,
                memory=Memory(
                    members=tuple(view.station_id for view in members),
                    since=min(view.last_frame for view in members if view.last_frame is not None),
                ),
            )
    return _back(Reason.FEW if holders else Reason.HEARD, memory, thresholds)


def _back(reason: Reason, memory: Memory, thresholds: Thresholds) -> Verdict:
    """The last ones are given time to follow: stations start one after another."""
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory, clear_after_s=thresholds["follow_s"])


def _silent_since(view: StationView, memory: Memory, thresholds: Thresholds) -> bool:
    window = timedelta(seconds=thresholds["within_s"])
    return view.last_frame is None or memory.since is None or view.last_frame <= memory.since + window


def _together(view: StationView, stations: dict[str, StationView], thresholds: Thresholds) -> list[StationView]:
    """The stations whose last frame came within the window of this one's, none of them heard since."""
    if view.last_frame is None:
        return []
    window = timedelta(seconds=thresholds["within_s"])
    found = [s for s in stations.values() if s.last_frame and abs(s.last_frame - view.last_frame) <= window]
    return sorted(found, key=lambda station: station.station_id)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    members: tuple[str, ...] = memory.members
    total = len(subject.network.site_stations(subject.site_id or ""))
    named = ", ".join(members[:_NAMED]) + (f" and {len(members) - _NAMED} more" if len(members) > _NAMED else "")
    minutes = thresholds["within_s"] / 60
    return Finding(
        fault=RULE.code,
        asset=Asset(kind="site", id=subject.site_id or ""),
        station_id=members[0],
        severity=RULE.severity,
        at=now,
        since=memory.since or now,
        probable_cause="The site's supply or its uplink is out: stations do not fail together.",
        explanation=f"{len(members)} of {total} stations of {subject.site_id} fell silent in {minutes:.0f} min.",
        suggested_action=RULE.action,
        evidence=(
            Evidence(
                label="Stations silent",
                value=str(len(members)),
                threshold=f"{thresholds['stations']:.0f} and {100 * thresholds['share']:.0f} % of the site",
                peers=f"of {total} stations",
                at=memory.since,
            ),
            Evidence(label="Stations", value=named),
        ),
        confidence=0.95,
    )


RULE = Rule(
    code="site_outage",
    title="Site out",
    scope=Scope.SITE,
    asset="site",
    severity=Severity.P2,
    mrec=("CX013", "CX015"),
    thresholds=(
        Threshold(name="stations", default=2, unit="stations", doc="at least so many must be silent"),
        Threshold(name="share", default=0.5, unit="share", doc="and this share of the site's stations"),
        Threshold(
            name="follow_s", default=600, unit="s", doc="that the others are given once most are heard again"
        ),
        Threshold(name="within_s", default=300, unit="s", doc="how close together they must have fallen silent"),
    ),
    clears=(
        "Ten minutes after over half of the silent stations are heard again; those that stay silent get tickets "
        "of their own."
    ),
    action="Call the site; check its main breaker, the grid operator's outage map, router and uplink.",
    doc=(
        "At least two stations and half of a site fall silent within five minutes. It is judged when the first of "
        "them counts as offline. One ticket for the site; its stations' own tickets are held back meanwhile. Not "
        "for our own outage: then no station counts as offline."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset[Wake](),
    gathers=("offline",),
)
