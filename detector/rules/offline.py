"""The station has fallen silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.rules.base import (
    Rule,
    Scope,
    Silence,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    span,
)
from detector.view import StationView
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity
from laddvakt.domain.times import rfc3339

_RECHECK_S = 60.0
_FIRMWARE_AT_WORK = frozenset({"Downloading", "Downloaded", "Installing"})


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NEVER_HEARD = "never_heard"  # no frame was ever seen
    HEARD = "heard"  # a frame came within the time
    OUR_COLLECTOR_DOWN = "our_collector_down"  # we do not listen, so silence means nothing
    OUR_RESTART = "our_restart"  # we listen again: the station is given the full time anew
    OUR_OUTAGE = "our_outage"  # many sites fell silent together: our network, not their stations
    MAINTENANCE = "maintenance"  # out of service or updating when it fell silent: it is given more time
    SILENT = "silent"  # no frame for too long


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """`ours_until`: up to when the silence was explained by ourselves; it counts from there."""

    ours_until: datetime | None = None


def allowed_silence_s(subject: Subject, thresholds: Thresholds) -> float:
    """How long a station may be silent. One whose socket is known to be closed cannot send heartbeats, so their
    interval matters only while the link seems open."""
    after_s = thresholds["after_s"]
    if not subject.view.connected:
        return after_s
    heartbeat_s = subject.view.heartbeat_s or subject.network.heartbeat_s
    return max(after_s, thresholds["heartbeats"] * heartbeat_s)


def _quiet_since(subject: Subject) -> datetime | None:
    """Since when it lacks. A link that was open until it closed was alive, though an idle station says nothing
    between its heartbeats; one that takes longer than a heartbeat to be closed was dead before."""
    view = subject.view
    if view.last_frame is None or view.connected or view.link_since is None:
        return view.last_frame
    heartbeat = timedelta(seconds=view.heartbeat_s or subject.network.heartbeat_s)
    return max(view.last_frame, min(view.link_since, view.last_frame + heartbeat))


def _under_maintenance(view: StationView) -> bool:
    if view.firmware_status in _FIRMWARE_AT_WORK:
        return True
    known = [c for c in view.connectors.values() if c.connector_id and c.status_at is not None]
    return bool(known) and all(c.status is ConnectorState.UNAVAILABLE for c in known)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    view, network = subject.view, subject.network
    memory = memory or Memory()
    recheck_at = now + timedelta(seconds=_RECHECK_S)
    since = _quiet_since(subject)
    if since is None:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.NEVER_HEARD, memory=memory)
    allowed_s = allowed_silence_s(subject, thresholds)
    maintenance = _under_maintenance(view)
    if maintenance:
        allowed_s = max(allowed_s, thresholds["maintenance_s"])
    due = since + timedelta(seconds=allowed_s)
    if now < due:
        overdue = maintenance and (now - since).total_seconds() >= thresholds["after_s"]
        reason = Reason.MAINTENANCE if overdue else Reason.HEARD
        return Verdict(standing=Standing.NOT_MET, reason=reason, check_at=due, memory=memory)
    if network.blind_since is not None:
        return Verdict(
            standing=Standing.UNKNOWN, reason=Reason.OUR_COLLECTOR_DOWN, check_at=recheck_at, memory=memory
        )
    if _ours(subject, thresholds, allowed_s):
        return Verdict(
            standing=Standing.UNKNOWN,
            reason=Reason.OUR_OUTAGE,
            check_at=recheck_at,
            memory=Memory(ours_until=now),
        )
    ours = [moment for moment in (memory.ours_until, network.listening_since) if moment is not None]
    given_until = max(ours, default=since) + timedelta(seconds=allowed_s)
    if now < given_until:
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.OUR_RESTART, check_at=given_until, memory=memory)
    return Verdict(standing=Standing.MET, reason=Reason.SILENT, memory=memory)


def _silence(subject: Subject, allowed_s: float) -> Silence:
    return subject.network.silence(subject.view, window_s=min(300.0, allowed_s / 2))


def _ours(subject: Subject, thresholds: Thresholds, allowed_s: float) -> bool:
    silence = _silence(subject, allowed_s)
    if silence.sites < thresholds["own_outage_sites"] or silence.stations < thresholds["own_outage_stations"]:
        return False
    return silence.silent >= thresholds["own_outage_share"] * silence.stations


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    view = subject.view
    if view.last_frame is None:
        raise AssertionError("described without ever being heard")
    allowed_s = allowed_silence_s(subject, thresholds)
    silent_s = (now - view.last_frame).total_seconds()
    silence = _silence(subject, allowed_s)
    others = silence.site_others - silence.site_others_silent
    peers = (
        f"{others} of {silence.site_others} other stations of the site are heard" if silence.site_others else ""
    )
    if view.connected:
        cause = "The connection looks open but nothing comes: the station hangs, or its network path is dead."
    else:
        cause = "The connection is gone and does not come back: no power, no network, or the station hangs."
    if silence.site_others and not others:
        cause += " The site's other stations are silent too: look at the site's supply and uplink first."
    return RULE.finding(
        subject,
        now,
        since=view.last_frame,
        probable_cause=cause,
        explanation=f"{view.station_id} has sent nothing since {rfc3339(view.last_frame)}.",
        evidence=(
            Evidence(
                label="Silent for",
                value=span(silent_s),
                threshold=span(allowed_s),
                peers=peers,
                at=view.last_frame,
            ),
            Evidence(label="Connection", value="open" if view.connected else "closed", at=view.link_since),
        ),
        confidence=0.95 if others else 0.9,
    )


RULE = Rule(
    code="offline",
    title="Station offline",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P2,
    mrec=("CX013",),
    thresholds=(
        Threshold(name="after_s", default=900, unit="s", doc="shortest silence that counts"),
        Threshold(
            name="heartbeats", default=3, unit="intervals", doc="heartbeats missed while the link seems open"
        ),
        Threshold(
            name="maintenance_s",
            default=86_400,
            unit="s",
            doc="silence allowed to a station that was out of service or updating its firmware",
        ),
        Threshold(
            name="own_outage_share",
            default=0.5,
            unit="share",
            doc="share of the stations that fall silent together and make it our own outage",
        ),
        Threshold(name="own_outage_sites", default=2, unit="sites", doc="sites that must be among them"),
        Threshold(name="own_outage_stations", default=4, unit="stations", doc="smallest network to judge so"),
    ),
    clears="Any frame from the station.",
    action=(
        "See whether its site has power and network. Cycle the station's power; check modem, SIM and breaker."
    ),
    doc=(
        "No frame for 15 minutes, or three heartbeats where that is longer; where its link closed, since then, "
        "but for a heartbeat at most: an idle station says nothing, and its open link lives. Not during planned "
        "maintenance, nor when many sites fall silent at once or our own collector was down: then the outage is "
        "ours, and each station is given the full time again."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.FRAME, Wake.LINK, Wake.BOOT, Wake.FIRMWARE, Wake.STATUS}),
    absorbed_by=("site_outage",),
)
