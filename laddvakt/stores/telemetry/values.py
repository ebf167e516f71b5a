"""What every telemetry store checks before it writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from laddvakt.domain.times import require_utc
from laddvakt.stores.ports import Point

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT64 = 2**63
_MICROSECOND = timedelta(microseconds=1)


def microseconds(value: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly. Raises ValueError for a naive time."""
    return (require_utc(value) - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=at_us)


def checked(points: Iterable[Point]) -> Iterator[Point]:
    """`points`, each checked. Raises ValueError for NaN, infinities, naive times, fields without a name
    and connectors beyond 64 bits."""
    for point in points:
        require_utc(point.at)
        if not -_INT64 <= point.connector_id < _INT64:
            raise ValueError(f"connector {point.connector_id} of station {point.station_id} is beyond 64 bits")
        if "" in point.values:
            raise ValueError(f"a value of station {point.station_id} has no field name")
        if not all(map(math.isfinite, point.values.values())):
            field, value = next(item for item in point.values.items() if not math.isfinite(item[1]))
            raise ValueError(f"{field} of station {point.station_id} is {value}, not a finite number")
        yield point
