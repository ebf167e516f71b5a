"""Which tariff applies where and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Assigned(Protocol):
    """What `choose` looks at; `laddvakt.stores.ports.Assignment` is one."""

    @property
    def scope(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def valid_from(self) -> datetime | None: ...
    @property
    def valid_to(self) -> datetime | None: ...


A = TypeVar("A", bound=Assigned)


def choose(
    assignments: Iterable[A],
    *,
    station_id: str,
    site_id: str | None,
    connector_id: int | None,
    plan: str | None,
    at: datetime,
) -> A | None:
    """The assignment for a session that starts `at`: the narrowest that is valid then (plan, connector, station,
    site, default); of several as narrow, the one that became valid last; of those, the first listed. None when no
    assignment fits. `valid_from` is inclusive, `valid_to` exclusive."""
    wanted = [
        ("plan", plan),
        ("connector", None if connector_id is None else f"{station_id}/{connector_id}"),
        ("station", station_id),
        ("site", site_id),
        ("default", ""),
    ]
    rank = {key: place for place, key in enumerate(wanted) if key[1] is not None}
    fitting = [item for item in assignments if (item.scope, item.target) in rank and _valid(item, at)]
    return min(
        fitting,
        key=lambda item: (
            rank[item.scope, item.target],
            -((item.valid_from or _LONG_AGO) - _LONG_AGO).total_seconds(),
        ),
        default=None,
    )


def _valid(item: Assigned, at: datetime) -> bool:
    if item.valid_from is not None and at < item.valid_from:
        return False
    return item.valid_to is None or at < item.valid_to
