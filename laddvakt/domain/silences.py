"""Silences: when and where faults open no tickets and nobody is called, who said so and why.

Findings go on meanwhile. What still stands when a silence ends becomes a ticket then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from laddvakt.domain.tickets import Asset, Ticket


class SilenceKind(StrEnum):
    """What a silence means for the figures."""

    MAINTENANCE = "maintenance"  # planned work: its minutes are excluded from availability
    QUIET = "quiet"  # people want no tickets; its minutes count as any others


class SilenceScope(StrEnum):
    """What a silence is about."""

    FLEET = "fleet"  # every station
    SITE = "site"  # a site and all its stations
    STATION = "station"  # a station and all its connectors
    CONNECTOR = "connector"  # one connector, `<station>/<connector>`


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence (API object), from inclusive to exclusive. It is never deleted: one that was taken back ended
    then, and one that was taken back before it began never was in force."""

    silence_id: str
    kind: SilenceKind = SilenceKind.MAINTENANCE
    scope: SilenceScope
    target: str = ""  # site, station, or `<station>/<connector>`; "" for the fleet
    fault: str | None = None  # None: all faults
    from_: datetime = msgspec.field(name="from")
    until: datetime
    reason: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None = None  # taken back, before `until`
    ended_by: str | None = None

    @property
    def end(self) -> datetime:
        return self.until if self.ended_at is None else min(self.until, self.ended_at)

    def in_force(self, at: datetime) -> bool:
        return self.from_ <= at < self.end


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a fault is, as silences see it. A fault of a whole site is at no single station of it."""

    asset: Asset
    station_id: str
    connector_id: int | None
    site_id: str | None


def place_of(ticket: Ticket) -> Place:
    return Place(
        asset=ticket.asset,
        station_id=ticket.station_id,
        connector_id=ticket.connector_id,
        site_id=ticket.site_id,
    )


def _reaches(silence: Silence, place: Place) -> bool:
    if silence.scope is SilenceScope.FLEET:
        return True
    if silence.scope is SilenceScope.SITE:
        return silence.target in (place.site_id, place.asset.id if place.asset.kind == "site" else None)
    if place.asset.kind == "site":
        return False
    if silence.scope is SilenceScope.STATION:
        return silence.target == place.station_id
    return bool(place.connector_id) and silence.target == f"{place.station_id}/{place.connector_id}"


def covering(silences: Iterable[Silence], place: Place, fault: str, at: datetime) -> Silence | None:
    """The silence that holds `fault` at `place` back at this moment; of several the one that ends last."""
    found = [
        silence
        for silence in silences
        if silence.in_force(at) and silence.fault in (None, fault) and _reaches(silence, place)
    ]
    return max(found, key=lambda silence: silence.end, default=None)
