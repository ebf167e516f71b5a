"""Which asset is at fault: the station, the cable (or connector), the vehicle, or the site. Pure.

Each starts with a weight; every observation multiplies the weights by how much likelier it is if the fault lies
there (a likelihood ratio, judged by hand and rounded: no measurements). Shares are weights over their sum.

| observation | station | cable | vehicle | site |
| --- | --- | --- | --- | --- |
| before any | 1 | 1 | 1 | 0.1 |
| the code or feature points at one | 6 | 6 | 6 | 6 |
| each further vehicle that it happened to | 1 | 1 | 0.15 | 1 |
| nothing was plugged in | 1 | 1 | 0.02 | 1 |
| a vehicle it happened to charged well elsewhere | 1 | 1 | 0.3 | 1 |
| a vehicle it happened to failed elsewhere too | 1 | 1 | 4 | 1 |
| the station's other connectors charge | 0.5 | 1 | 1 | 0.5 |
| another connector of the station fails too | 5 | 0.5 | 0.5 | 2 |
| the site's other stations charge | 1 | 1 | 1 | 0.2 |
| half of the site's other stations, two or more, fail too | 0.5 | 0.5 | 0.3 | 20 |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from detector.assets import cable_asset, station_asset
from detector.episodes import NOBODY
from detector.view import ConnectorView, StationView
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Asset, Suspect

if TYPE_CHECKING:
    from detector.rules.base import Subject

_STATION, _CABLE, _VEHICLE, _SITE = range(4)
_BEFORE = (1.0, 1.0, 1.0, 0.1)
_LEAN = 6.0
_LEANS = {Lean.STATION: _STATION, Lean.CABLE: _CABLE, Lean.VEHICLE: _VEHICLE, Lean.LINK: _SITE}
_RECENT = timedelta(days=7)
_MAX_VEHICLES = 4


class _Note(NamedTuple):
    """One observation: what it multiplies the weights by, and in words."""

    ratios: tuple[float, float, float, float]
    why: str


class Blame(NamedTuple):
    """Where a fault lies: the likeliest piece of equipment, how likely equipment is at all, and every suspect."""

    asset: Asset
    confidence: float
    suspects: tuple[Suspect, ...]


def attribute(
    subject: Subject,
    vehicles: Sequence[str],
    now: datetime,
    *,
    lean: Lean | None = None,
    least: float = 0.0,
    others_charge: Sequence[bool] | None = None,
) -> Blame:
    """`vehicles`: those it happened to, oldest first, by pseudonym (`NOBODY`: none was plugged in, "": unknown).
    `lean`: where the code or feature points. `least`: what the rule's own evidence is worth by itself.
    `others_charge`: what the rule saw at the station's other connectors meanwhile; None: their last sessions."""
    own = _own(subject, now) if others_charge is None else list(others_charge)
    notes = [*_pointing(lean), *_vehicles(subject, vehicles), *_connectors(own), *_stations(subject, now)]
    weights = list(_BEFORE)
    assets = [station_asset(subject), cable_asset(subject), _vehicle(vehicles), _site(subject)]
    for kind in range(4):
        for note in notes:
            weights[kind] *= note.ratios[kind]
        if assets[kind] is None or (kind == _CABLE and assets[_CABLE] == assets[_STATION]):
            weights[kind] = 0.0
    total = sum(weights)
    found = [
        (
            weights[kind] / total,
            kind,
            Suspect(asset=asset, share=round(weights[kind] / total, 3), why=_why(kind, notes)),
        )
        for kind, asset in enumerate(assets)
        if asset is not None and weights[kind] > 0
    ]
    found.sort(key=lambda item: (-item[0], item[1]))
    best = next(suspect.asset for _, kind, suspect in found if kind in (_STATION, _CABLE))
    equipment = 1.0 - weights[_VEHICLE] / total
    return Blame(best, round(min(max(equipment, least), 0.99), 2), tuple(suspect for _, _, suspect in found))


def _vehicle(vehicles: Sequence[str]) -> Asset | None:
    known = [vehicle for vehicle in vehicles if vehicle not in ("", NOBODY)]
    return Asset(kind="vehicle", id=known[-1] if known else "unknown")


def _site(subject: Subject) -> Asset | None:
    site_id = subject.station.site_id if subject.station is not None else None
    return Asset(kind="site", id=site_id) if site_id else None


def _why(kind: int, notes: list[_Note]) -> tuple[str, ...]:
    """What speaks for this one or against it."""
    return tuple(note.why for note in notes if note.ratios[kind] != 1.0)


def _pointing(lean: Lean | None) -> list[_Note]:
    if lean is None:
        return []
    at = _LEANS[lean]
    ratios = [_LEAN if kind == at else 1.0 for kind in range(4)]
    return [_Note((ratios[0], ratios[1], ratios[2], ratios[3]), f"what is reported points at the {lean}")]


def _vehicles(subject: Subject, vehicles: Sequence[str]) -> list[_Note]:
    distinct = list(dict.fromkeys(vehicle for vehicle in vehicles if vehicle != NOBODY))
    notes = []
    if len(distinct) > 1:
        notes.append(_Note((1, 1, 0.15 ** (len(distinct) - 1), 1), f"it happened to {len(distinct)} vehicles"))
    if NOBODY in vehicles:
        notes.append(_Note((1, 1, 0.02, 1), "it happened with nothing plugged in"))
    for vehicle in distinct[-_MAX_VEHICLES:]:
        visits = subject.network.visits(vehicle) if vehicle else ()
        elsewhere = [visit.good for visit in visits if visit.station_id != subject.view.station_id]
        if any(elsewhere):
            notes.append(_Note((1, 1, 0.3, 1), "a vehicle that failed here charged well elsewhere"))
        elif elsewhere:
            notes.append(_Note((1, 1, 4, 1), "a vehicle that failed here failed elsewhere too"))
    return notes


def _own(subject: Subject, now: datetime) -> list[bool]:
    """Whether the station's other connectors charge."""
    if not subject.connector_id:
        return []
    others = [c for c in subject.view.connectors.values() if c.connector_id not in (0, subject.connector_id)]
    return [state for connector in others if (state := _charges(connector, now)) is not None]


def _connectors(charge: list[bool]) -> list[_Note]:
    if not charge:
        return []
    if all(charge):
        return [_Note((0.5, 1, 1, 0.5), "the station's other connectors charge")]
    return [_Note((5, 0.5, 0.5, 2), "another connector of the station fails too")]


def _stations(subject: Subject, now: datetime) -> list[_Note]:
    others = [s for view in subject.network.siblings(subject.view) if (s := _works(view, now)) is not None]
    if others.count(False) >= max(2, len(others) / 2):
        return [_Note((0.5, 0.5, 0.3, 20), "other stations of the site fail too")]
    if others:
        return [_Note((1, 1, 1, 0.2), "the site's other stations charge")]
    return []


def _charges(connector: ConnectorView, now: datetime) -> bool | None:
    """Whether its last session charged; None where there was none lately."""
    good, bad = (
        at if at is not None and now - at <= _RECENT else None for at in (connector.good_at, connector.bad_at)
    )
    if good is None and bad is None:
        return None
    return bad is None or (good is not None and good >= bad)


def _works(view: StationView, now: datetime) -> bool | None:
    states = [s for c in view.connectors.values() if (s := _charges(c, now)) is not None]
    return all(states) if states else None
