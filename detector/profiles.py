"""Charging profiles that a station has accepted, and the limit that they set now. Pure.

Source: OCPP 1.6 section 3.13 and 5.16 SetChargingProfile, 5.5 ClearChargingProfile; OCPP 2.0.1 part 2 section K.
Known are the profiles that were sent since the station is watched: what it got before, or by hand, it must say
itself (Current.Offered, NotifyChargingLimit).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from laddvakt.domain.times import parse_time

MAX_PROFILES = 8
MAX_PERIODS = 48
MAX_ASKED = 4

_SET = ("SetChargingProfile", "RemoteStartTransaction", "RequestStartTransaction")
_CLEAR = "ClearChargingProfile"
_WHOLE = ("ChargePointMaxProfile", "ChargingStationMaxProfile")
_REPEATS_S = {"Daily": 86_400.0, "Weekly": 604_800.0}


class Profile(msgspec.Struct, frozen=True, array_like=True):
    """One profile. Periods are (start in seconds, limit); `start` None: relative to the session's begin."""

    connector_id: int
    profile_id: int
    purpose: str
    stack: int
    unit: str  # A (per phase) or W (of all phases)
    periods: tuple[tuple[float, float], ...]
    start: datetime | None = None
    duration_s: float | None = None
    repeats_s: float | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: str = ""

    def limit_at(self, now: datetime, session_start: datetime | None) -> float | None:
        """The limit of the period that runs; None where the profile says nothing of now."""
        if (self.valid_from is not None and now < self.valid_from) or (self.valid_to and now >= self.valid_to):
            return None
        begun = self.start or session_start
        if begun is None or now < begun:
            return None
        passed_s = (now - begun).total_seconds()
        if self.repeats_s is not None:
            passed_s %= self.repeats_s
        if self.duration_s is not None and passed_s >= self.duration_s:
            return None
        limit = None
        for start_s, value in self.periods:
            if start_s > passed_s:
                break
            limit = value
        return limit


class Profiles(msgspec.Struct, omit_defaults=True):
    """What a station was told, in place: calls that wait for their answer, and the profiles it took."""

    asked: dict[str, tuple[str, str]] = {}  # command id -> action, request
    accepted: tuple[Profile, ...] = ()
    changed_at: datetime | None = None
    outside: tuple[int, ...] = ()  # connectors that somebody else limits, 0: all; by how much nobody says

    def sent(self, command_id: str, action: str, request: str) -> None:
        if action not in _SET and action != _CLEAR:
            return
        self.asked[command_id] = (action, request)
        while len(self.asked) > MAX_ASKED:
            del self.asked[next(iter(self.asked))]

    def answered(self, command_id: str, at: datetime, *, accepted: bool) -> None:
        action, request = self.asked.pop(command_id, ("", ""))
        if not action or not accepted:
            return
        try:
            payload = msgspec.json.decode(request, type=dict[str, Any])
        except msgspec.MsgspecError:
            return  # cut because it is long; Current.Offered has to tell
        if action == _CLEAR:
            self.accepted = tuple(one for one in self.accepted if not _cleared(one, payload))
            self.changed_at = at
        elif (profile := _profile(payload, at)) is not None:
            others = (one for one in self.accepted if not _replaces(profile, one))
            self.accepted = (*others, profile)[-MAX_PROFILES:]
            self.changed_at = at

    def limited_outside(self, connector_id: int, *, cleared: bool) -> None:
        rest = tuple(one for one in self.outside if one != connector_id)
        self.outside = rest if cleared else (*rest, connector_id)[-MAX_PROFILES:]

    def limits(
        self, connector_id: int, transaction: str, session_start: datetime | None, now: datetime
    ) -> Iterator[tuple[float, str]]:
        """Limits that hold now, each with its unit: the station's, and the transaction's or else the default."""
        found: dict[str, tuple[tuple[bool, int], float, str]] = {}
        for one in self.accepted:
            if one.connector_id not in (0, connector_id) or one.transaction_id not in ("", transaction):
                continue
            limit = one.limit_at(now, session_start)
            if limit is None:
                continue
            rank = (one.connector_id != 0, one.stack)
            kind = "max" if one.purpose in _WHOLE else one.purpose
            if kind not in found or rank > found[kind][0]:
                found[kind] = (rank, limit, one.unit)
        if "TxProfile" in found:
            found.pop("TxDefaultProfile", None)
        return ((limit, unit) for _, limit, unit in found.values())


def _profile(payload: dict[str, Any], at: datetime) -> Profile | None:
    told = payload.get("csChargingProfiles") or payload.get("chargingProfile")
    if not isinstance(told, dict):
        return None
    schedule = told.get("chargingSchedule")
    if isinstance(schedule, list):  # OCPP 2.x
        schedule = schedule[0] if schedule else None
    if not isinstance(schedule, dict):
        return None
    try:
        periods = sorted(
            (float(period["startPeriod"]), float(period["limit"]))
            for period in schedule["chargingSchedulePeriod"][:MAX_PERIODS]
        )
        kind = str(told.get("chargingProfileKind", "Absolute"))
        start = _moment(schedule.get("startSchedule"))
        duration = schedule.get("duration")
        number: Any = told.get("chargingProfileId", told.get("id", 0))
        connector: Any = payload.get("connectorId", payload.get("evseId", 0))
        return Profile(
            connector_id=int(connector),
            profile_id=int(number),
            purpose=str(told.get("chargingProfilePurpose", "TxProfile")),
            stack=int(told.get("stackLevel", 0)),
            unit=str(schedule.get("chargingRateUnit", "A")),
            periods=tuple(periods),
            start=None if kind == "Relative" else start or at,
            duration_s=float(duration) if duration is not None else None,
            repeats_s=_REPEATS_S.get(str(told.get("recurrencyKind"))) if kind == "Recurring" else None,
            valid_from=_moment(told.get("validFrom")),
            valid_to=_moment(told.get("validTo")),
            transaction_id=str(told.get("transactionId") or ""),
        )
    except (KeyError, TypeError, ValueError):
        return None  # not a profile as the specification has it: no station took it as one


def _moment(said: object) -> datetime | None:
    return parse_time(said) if isinstance(said, str) else None


def _replaces(new: Profile, old: Profile) -> bool:
    """OCPP 1.6 section 3.13.2: the same id, or the same purpose and stack level on the connector."""
    if new.profile_id == old.profile_id:
        return True
    same = (new.connector_id, new.purpose, new.stack) == (old.connector_id, old.purpose, old.stack)
    return same and new.transaction_id == old.transaction_id


def _cleared(profile: Profile, payload: dict[str, Any]) -> bool:
    number = payload.get("id", payload.get("chargingProfileId"))
    if number is not None:
        return bool(number == profile.profile_id)
    which = payload.get("chargingProfileCriteria", payload)
    if not isinstance(which, dict):
        return True
    wanted = (which.get("connectorId", which.get("evseId")), which.get("chargingProfilePurpose"))
    found = (profile.connector_id, profile.purpose)
    level = which.get("stackLevel")
    matches = all(want is None or want == have for want, have in zip(wanted, found, strict=True))
    return matches and (level is None or level == profile.stack)
