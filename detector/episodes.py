"""Errors that come and go at a connector: how often, and with which vehicles. Pure; for rules that count them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from detector.view import ConnectorView, StationView
from laddvakt.domain.attempts import GOOD_WH
from laddvakt.domain.stations import ConnectorState

if TYPE_CHECKING:
    from detector.rules.base import Subject

NOBODY = "-"
"""No vehicle was plugged in: the equipment is alone with it."""
_NO_ERROR = ("", "NoError")
_MAX_EPISODES = 8
_MAX_GOOD = 3
_GOOD = 2
_JUST_NOW = timedelta(minutes=5)


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Once. `vehicle`: pseudonym, `NOBODY`, or "" where it is not known; `what`: the code, or a value in words."""

    at: datetime
    vehicle: str
    what: str


class Repeats(msgspec.Struct, frozen=True, omit_defaults=True):
    """Episodes, oldest first; whether the last of them lasts; vehicles that charged well since."""

    episodes: tuple[Episode, ...] = ()
    lasts: bool = False
    good: tuple[str, ...] = ()

    @property
    def vehicles(self) -> int:
        """How many vehicles are known to have been there. One that nobody knows may be one of those."""
        found = {episode.vehicle for episode in self.episodes} - {NOBODY}
        return len(found - {""}) or len(found)

    @property
    def alone(self) -> bool:
        """It happened with nothing plugged in."""
        return any(episode.vehicle == NOBODY for episode in self.episodes)


def codes_of(view: StationView, connector: ConnectorView) -> tuple[str, ...]:
    """Error codes and ChargeX codes that a connector reports now, as news."""
    if connector.error_code in _NO_ERROR and not connector.mrec and not connector.problems:
        return ()  # as nearly always
    said = (connector.error_code, *connector.mrec) if view.status_is_news(connector) else ()
    found = chain(said, chain.from_iterable(connector.problems.values()))
    return tuple(dict.fromkeys(code for code in found if code not in _NO_ERROR))


def vehicle_at(subject: Subject, now: datetime) -> str:
    """Who is plugged in, or was a moment ago."""
    connector, view = subject.connector, subject.view
    if connector is None:
        return ""
    session = connector.session
    if session is not None:  # who has not charged yet has maybe not shown a card yet, either
        return session.vehicle_key if session.energy_wh or session.charging_since else session.vehicle or ""
    # Faulted hides whether somebody is there; an event (OCPP 2.x) comes before that status.
    faulted = connector.status is ConnectorState.FAULTED
    if (connector.status_before if faulted else connector.status) is ConnectorState.AVAILABLE:
        recent = connector.left_at is not None and now - connector.left_at <= _JUST_NOW
        if faulted or not recent:
            return NOBODY
    met = [
        (shown.at, shown.vehicle)
        for shown in (view.shown, view.asked)
        if shown is not None and shown.connector_id in (0, connector.connector_id)
    ]
    if connector.left_at is not None:
        met.append((connector.left_at, connector.last_vehicle))
    at, vehicle = max(met, default=(None, ""))  # the next one's card comes after the last one has left
    return vehicle if at is not None and now - at <= _JUST_NOW else ""


def with_news(
    repeats: Repeats, subject: Subject, codes: Collection[str], window_s: float, now: datetime
) -> Repeats:
    """After the news: one more episode where a code has come up, vehicles that charged well, old ones dropped."""
    connector = subject.connector
    if connector is None:
        return repeats
    for session in subject.news.ended:
        if session.energy_wh >= GOOD_WH and not set(codes).intersection(session.errors):
            repeats = charged(repeats, session.vehicle)
    found = [code for code in codes_of(subject.view, connector) if code in codes]
    if found and not repeats.lasts:
        repeats = one_more(repeats, Episode(now, vehicle_at(subject, now), found[0]))
    if not connector.stale:  # else the code may stand or not: nobody has said
        repeats = _lasting(repeats, bool(found))
    return repeats if repeats.lasts else within(repeats, window_s, now)


def one_more(repeats: Repeats, episode: Episode) -> Repeats:
    return Repeats(episodes=(*repeats.episodes[-(_MAX_EPISODES - 1) :], episode), lasts=repeats.lasts)


def charged(repeats: Repeats, vehicle: str) -> Repeats:
    if not repeats.episodes or vehicle in repeats.good or len(repeats.good) >= _MAX_GOOD:
        return repeats
    return msgspec.structs.replace(repeats, good=(*repeats.good, vehicle))


def within(repeats: Repeats, window_s: float, now: datetime) -> Repeats:
    oldest = now - timedelta(seconds=window_s)
    if not repeats.episodes or repeats.episodes[0].at >= oldest:
        return repeats
    return msgspec.structs.replace(repeats, episodes=tuple(e for e in repeats.episodes if e.at >= oldest))


def _lasting(repeats: Repeats, lasts: bool) -> Repeats:
    return repeats if repeats.lasts is lasts else msgspec.structs.replace(repeats, lasts=lasts)


class Reason(StrEnum):
    """Why a rule that counts episodes holds what it holds."""

    NONE = "none"  # it did not happen within the window
    FEW = "few"  # not often enough
    ONE_VEHICLE = "one_vehicle"  # often, but with one vehicle alone
    CHARGES_AGAIN = "charges_again"  # two vehicles charged well since
    REPEATED = "repeated"  # often, with several vehicles or with none plugged in


def judge(
    repeats: Repeats, *, times: float, vehicles: float, window_s: float
) -> tuple[Repeats, Reason, datetime | None]:
    """What the episodes amount to, what is kept of them, and when the oldest is too old to count."""
    if len(repeats.good) >= _GOOD and not repeats.lasts:
        return Repeats(), Reason.CHARGES_AGAIN, None
    if not repeats.episodes:
        return repeats, Reason.NONE, None
    if len(repeats.episodes) < times:
        return repeats, Reason.FEW, None
    if repeats.vehicles < vehicles and not repeats.alone:
        return repeats, Reason.ONE_VEHICLE, None
    return repeats, Reason.REPEATED, repeats.episodes[0].at + timedelta(seconds=window_s + 1)
