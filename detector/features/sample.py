"""One row that a model learns from or judges: a span of a connector's life in numbers, and what it is like."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from detector.view import ConnectorView, StationView
from laddvakt.domain.stations import Station

_CURRENT_EDGES_A = (6.5, 10.5, 14.0, 18.0, 25.0, 40.0, 80.0, 150.0, 250.0)
_SOC_EDGES_PCT = (20.0, 50.0, 80.0)
_AMBIENT_EDGES_C = (-5.0, 5.0, 15.0, 25.0)
_DC_VOLTS = 300.0
UNKNOWN = -1
WINDOW = timedelta(minutes=5)
DAY = timedelta(days=1)


class Span(StrEnum):
    """What a row covers. Each has a forest of its own."""

    WINDOW = "window"  # five minutes of steady charging
    SESSION = "session"  # one session, from start to stop
    DAY = "day"  # one connector's day (UTC)


_LENGTH = {Span.WINDOW: WINDOW, Span.DAY: DAY}


class Context(NamedTuple):
    """What decides what is normal, coarse on purpose; -1 where it is not said."""

    current_bin: int
    soc_bin: int
    phases: int
    ambient_bin: int = UNKNOWN


class Window(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A row. `values` has the features that could be worked out, by their names in `detector.features.table`."""

    station_id: str
    connector_id: int
    transaction_id: str  # of a day: its date
    vehicle: str  # of a day: ""
    start: datetime
    kind: str  # AC or DC
    model: str
    context: Context
    current_a: float  # of the fullest phase; 0 where none flowed
    values: dict[str, float]
    firmware: str = ""
    connector_type: str = ""
    span: Span = Span.WINDOW
    ended_at: datetime | None = None  # of a session

    @property
    def connector(self) -> str:
        return f"{self.station_id}/{self.connector_id}"

    @property
    def complete_at(self) -> datetime:
        """When it could be judged."""
        return self.ended_at or self.start + _LENGTH.get(self.span, timedelta())

    @property
    def make(self) -> str:
        """Equipment that should behave alike; new firmware is new equipment."""
        return f"{self.model}|{self.firmware}|{self.connector_type}"


class Equipment(NamedTuple):
    """What kind of thing a connector is."""

    kind: str
    model: str
    firmware: str
    connector_type: str


def equipment(view: StationView, connector: ConnectorView, station: Station | None, kind: str = "") -> Equipment:
    """From what the station said of itself, else from the network file."""
    known = station.connector(connector.connector_id) if station is not None else None
    model = f"{view.vendor} {view.model}".strip() or (station.model if station and station.model else "")
    firmware = view.firmware or (station.firmware if station and station.firmware else "")
    return Equipment(
        kind=station.current if station is not None and station.current in ("AC", "DC") else kind or "AC",
        model=model,
        firmware=firmware,
        connector_type=known.type if known is not None and known.type else "",
    )


def kind_of(soc: float | None, volts: float) -> str:
    """AC or DC, where the network file does not say: vehicles tell their state of charge over DC only."""
    return "DC" if soc is not None or volts > _DC_VOLTS else "AC"


def current_bin(amperes: float) -> int:
    return _bin(amperes, _CURRENT_EDGES_A)


def soc_bin(soc: float | None) -> int:
    return UNKNOWN if soc is None else _bin(soc, _SOC_EDGES_PCT)


def ambient_bin(celsius: float | None) -> int:
    return UNKNOWN if celsius is None else _bin(celsius, _AMBIENT_EDGES_C)


def _bin(value: float, edges: tuple[float, ...]) -> int:
    return sum(1 for edge in edges if value >= edge)


def surrounding(view: StationView, connector: ConnectorView, since: datetime, *names: str) -> float | None:
    """The newest value of the first field that is known, at the connector or the station as a whole."""
    for place in (connector, view.connectors.get(0)):
        for name in names:
            found = place.value(name, not_before=since) if place is not None else None
            if found is not None:
                return found
    return None


def ambient_c(view: StationView, connector: ConnectorView, since: datetime) -> float | None:
    return surrounding(view, connector, since, "ambient_temperature_c", "ambient/temperature_c")
