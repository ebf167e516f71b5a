"""The station comes and goes: its link drops again and again, or it restarts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, span
from laddvakt.domain.facts import Booted, CommandSent, LinkUp
from laddvakt.domain.tickets import Evidence, Finding, Severity

_LINK, _BOOT = "link", "boot"
_MAX_TIMES = 12
_MAX_FRESH = 8
_SAME_TIME = timedelta(minutes=5)
_OUR_RESTART = timedelta(minutes=10)
_ORDERED = timedelta(minutes=10)
_UPDATING = timedelta(hours=2)
_UPDATED = timedelta(hours=1)
_RECHECK = timedelta(minutes=1)
_ORDERS = frozenset({"Reset", "UpdateFirmware", "SignedUpdateFirmware"})
_AT_WORK = frozenset(
    {"Downloading", "Downloaded", "Installing", "InstallRebooting", "InstallScheduled", "SignatureVerified"}
)


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    STEADY = "steady"  # it stays connected
    FEW = "few"  # it came back now and then
    OURS = "ours"  # we do not listen, so nothing is known
    RECONNECTS = "reconnects"  # its link drops again and again
    RESTARTS = "restarts"  # it restarts again and again


class Happened(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """It came back, by `link` or by `boot`. Judged a while later, when it is known who else did."""

    at: datetime
    what: str


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times that are its own, oldest first; those that wait to be judged; the link of its last boot; when we last
    ordered a restart. `held`: a finding is due, for `link` or for `boot`."""

    links: tuple[datetime, ...] = ()
    boots: tuple[datetime, ...] = ()
    fresh: tuple[Happened, ...] = ()
    booted_on: datetime | None = None
    ordered_at: datetime | None = None
    held: str = ""


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = _with_news(memory or Memory(), subject, now)
    if subject.network.blind_since is not None and memory.fresh:
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.OURS, memory=memory, check_at=now + _RECHECK)
    memory = _judged(memory, subject, thresholds, now)
    hour, day = _windows(thresholds)
    links = tuple(at for at in memory.links if now - at < hour)
    boots = tuple(at for at in memory.boots if now - at < day)
    held = _held(memory.held, len(links), len(boots), thresholds)
    memory = msgspec.structs.replace(memory, links=links, boots=boots, held=held)
    return Verdict(
        standing=Standing.MET if held else Standing.NOT_MET,
        reason=_reason(memory),
        variant=held,
        memory=memory,
        check_at=_next(memory, thresholds),
    )


def _windows(thresholds: Thresholds) -> tuple[timedelta, timedelta]:
    return timedelta(hours=thresholds["reconnects_h"]), timedelta(hours=thresholds["boots_h"])


def _with_news(memory: Memory, subject: Subject, now: datetime) -> Memory:
    fresh, booted_on, ordered_at = memory.fresh, memory.booted_on, memory.ordered_at
    link = subject.view.link
    for fact in subject.news.facts:
        if isinstance(fact, CommandSent) and fact.action in _ORDERS:
            ordered_at = now
        elif isinstance(fact, LinkUp):
            fresh = (*fresh, Happened(now, _LINK))
        elif isinstance(fact, Booted) and (link is None or link != booted_on):
            # Once a link: one that is told to wait boots again and again without a restart (OCPP 1.6 section 4.2).
            fresh, booted_on = (*fresh, Happened(now, _BOOT)), link
    return msgspec.structs.replace(memory, fresh=fresh[-_MAX_FRESH:], booted_on=booted_on, ordered_at=ordered_at)


def _judged(memory: Memory, subject: Subject, thresholds: Thresholds, now: datetime) -> Memory:
    """What is old enough is counted, or explained by something else."""
    if not memory.fresh:
        return memory
    ripe_at = now - timedelta(seconds=thresholds["settle_s"])
    ripe = [one for one in memory.fresh if one.at <= ripe_at]
    own = [one for one in ripe if not _explained(one, memory, subject, thresholds)]
    return msgspec.structs.replace(
        memory,
        fresh=tuple(one for one in memory.fresh if one.at > ripe_at),
        links=(*memory.links, *(one.at for one in own if one.what == _LINK))[-_MAX_TIMES:],
        boots=(*memory.boots, *(one.at for one in own if one.what == _BOOT))[-_MAX_TIMES:],
    )


def _explained(one: Happened, memory: Memory, subject: Subject, thresholds: Thresholds) -> bool:
    """Whether it is not of the station's own doing: we restarted, or told it to, or its supply came back."""
    listening = subject.network.listening_since
    if listening is not None and abs(one.at - listening) <= _OUR_RESTART:
        return True
    if memory.ordered_at is not None and timedelta(0) <= one.at - memory.ordered_at <= _ORDERED:
        return True
    return _updating(subject, one.at) or _together(subject, one.at, thresholds) or _site_power(subject, one)


def _updating(subject: Subject, at: datetime) -> bool:
    """A firmware update was at work, or just done (OCPP 1.6 section 7.25, 2.0.1 part 2 section 3.38)."""
    view = subject.view
    if view.firmware_status_at is None:
        return False
    allowed = _UPDATING if view.firmware_status in _AT_WORK else _UPDATED
    wanted = view.firmware_status in _AT_WORK or view.firmware_status == "Installed"
    return wanted and view.firmware_status_at - allowed <= at <= view.firmware_status_at + allowed


def _together(subject: Subject, at: datetime, thresholds: Thresholds) -> bool:
    """Many stations of several sites came back with it: that is our own restart, or our network."""
    back = subject.network.came_back(at)
    return back.sites > 1 and back.links >= max(4.0, thresholds["own_share"] * back.stations)


def _site_power(subject: Subject, one: Happened) -> bool:
    """Half of the site's other stations booted with it: the supply failed, not the station."""
    if one.what != _BOOT:
        return False
    others = subject.network.siblings(subject.view)
    with_it = sum(
        1 for view in others if view.booted_at is not None and abs(view.booted_at - one.at) <= _SAME_TIME
    )
    return bool(others) and with_it >= len(others) / 2


def _held(held: str, links: int, boots: int, thresholds: Thresholds) -> str:
    """It stands from the threshold up, and until half of it is no longer reached."""
    most = {_LINK: (links, thresholds["reconnects"]), _BOOT: (boots, thresholds["boots"])}
    if held and most[held][0] >= most[held][1] / 2:
        return held
    return next((what for what, (count, threshold) in most.items() if count >= threshold), "")


def _reason(memory: Memory) -> Reason:
    if memory.held:
        return Reason.RECONNECTS if memory.held == _LINK else Reason.RESTARTS
    return Reason.FEW if memory.links or memory.boots else Reason.STEADY


def _next(memory: Memory, thresholds: Thresholds) -> datetime | None:
    """When something waits to be judged, or a time that holds the finding is too old."""
    hour, day = _windows(thresholds)
    times = [one.at + timedelta(seconds=thresholds["settle_s"]) for one in memory.fresh]
    if memory.held:
        times += [memory.links[0] + hour] if memory.held == _LINK else [memory.boots[0] + day]
    return min(times, default=None)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    by_boot = memory.held == _BOOT
    times, window_h = (
        (memory.boots, thresholds["boots_h"]) if by_boot else (memory.links, thresholds["reconnects_h"])
    )
    window = span(window_h * 3600)
    verb = "restarted" if by_boot else "reconnected"
    cause = (
        "It restarts by itself: supply, watchdog or firmware."
        if by_boot
        else "Its way to us is unsteady: radio signal, SIM, router, or its own network part."
    )
    others = subject.network.siblings(subject.view)
    back = sum(1 for view in others if view.link is not None and now - view.link <= timedelta(hours=window_h))
    peers = f"{back} of {len(others)} other stations of the site came back meanwhile" if others else ""
    return RULE.finding(
        subject,
        now,
        since=times[0] if times else now,
        probable_cause=cause,
        explanation=f"{subject.view.station_id} {verb} {len(times)} times within {window}.",
        evidence=(
            Evidence(
                label="Restarts" if by_boot else "Reconnects",
                value=f"{len(times)} in {window}",
                threshold=f"{thresholds['boots' if by_boot else 'reconnects']:.0f} in {window}",
                peers=peers,
                at=times[-1] if times else now,
            ),
            *_signal(subject),
        ),
        mrec=RULE.mrec if not by_boot else (),
        confidence=0.9,
    )


def _signal(subject: Subject) -> Iterable[Evidence]:
    whole = subject.view.connectors.get(0)
    known = whole.devices.get("rssi_dbm") if whole is not None else None
    if known is not None:
        yield Evidence(label="Radio signal", value=f"{known.value:.0f} dBm", at=known.at)


RULE = Rule(
    code="flapping",
    title="Station comes and goes",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P3,
    mrec=("CX007",),
    thresholds=(
        Threshold(name="reconnects", default=6, unit="times", doc="so often it must come back"),
        Threshold(name="reconnects_h", default=1, unit="h", doc="within this time"),
        Threshold(name="boots", default=3, unit="times", doc="so often it must restart without being told to"),
        Threshold(name="boots_h", default=24, unit="h", doc="within this time"),
        Threshold(
            name="settle_s",
            default=120,
            unit="s",
            doc="how long it is waited who else comes back, before it counts",
        ),
        Threshold(
            name="own_share",
            default=0.2,
            unit="share",
            doc="share of all stations, of several sites, that come back together and make it our own restart",
        ),
    ),
    clears="It came back less than half as often within the same time.",
    action="Check radio signal, antenna, SIM and cabling; if it restarts, its supply and its log.",
    doc=(
        "Six reconnects within an hour, or three restarts within 24 h that nobody ordered. Not counted: what "
        "comes within ten minutes of our own start, or with a fifth of all stations, of several sites (then it "
        "was us); after a Reset that we sent; during a firmware update or within an hour of it; a restart "
        "together with half of the site's other stations (their supply); and BootNotifications that are repeated "
        "on one link, as by a station that is told to wait."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.LINK, Wake.BOOT, Wake.COMMAND}),
    inhibited_by=("site_outage",),
)
