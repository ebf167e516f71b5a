"""Which assets a subject is about: the station, and the cable or connector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laddvakt.domain.tickets import Asset

if TYPE_CHECKING:
    from detector.rules.base import Subject


def station_asset(subject: Subject) -> Asset:
    return Asset(kind="station", id=subject.view.station_id)


def cable_asset(subject: Subject) -> Asset:
    """The connector's fixed cable where the network file names one, else the connector itself."""
    if not subject.connector_id:
        return station_asset(subject)
    known = subject.connector_info
    if known is not None and known.cable_id:
        return Asset(kind="cable", id=known.cable_id)
    return Asset(kind="connector", id=f"{subject.view.station_id}/{subject.connector_id}")
