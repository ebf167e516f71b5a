"""Records in memory, for as many transactions as fuzzing needs. They have what the recorder asks for of ports.Work
and nothing else; the real stores have contract tests of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.stations import Station
from laddvakt.stores.ports import Assignment, TariffVersion, VehicleSeen


class _Stations:
    def __init__(self) -> None:
        self.kept: dict[str, Station] = {}

    def many(self, station_ids: Iterable[str]) -> dict[str, Station]:
        return {one: self.kept[one] for one in station_ids if one in self.kept}

    def save(self, stations: Iterable[Station]) -> None:
        self.kept.update((station.station_id, station) for station in stations)


class _Sessions:
    def __init__(self) -> None:
        self.kept: dict[str, Session] = {}

    def get(self, session_id: str) -> Session | None:
        return self.kept.get(session_id)

    def unended(self, station_ids: Iterable[str]) -> list[Session]:
        wanted = set(station_ids)
        here = (session for session in self.kept.values() if session.station_id in wanted)
        open_ones = (session for session in here if session.state is not SessionState.ENDED)
        return sorted(open_ones, key=lambda session: (session.started_at, session.session_id))

    def _newest(self, station_id: str) -> list[Session]:
        here = [session for session in self.kept.values() if session.station_id == station_id]
        return sorted(here, key=lambda session: (session.started_at, session.session_id), reverse=True)

    def by_transaction(self, station_id: str, transaction_id: str) -> Session | None:
        here = self._newest(station_id)
        return next((session for session in here if session.transaction_id == transaction_id), None)

    def recent(self, station_id: str, connector_id: int | None, limit: int) -> list[Session]:
        here = self._newest(station_id)
        return [one for one in here if connector_id is None or one.connector_id == connector_id][:limit]

    def save(self, sessions: Iterable[Session]) -> None:
        self.kept.update((session.session_id, session) for session in sessions)


class _Tariffs:
    def __init__(self, ocpi: dict[str, Any], since: datetime) -> None:
        self._version = TariffVersion(tariff_id="T", version=1, valid_from=since, ocpi=ocpi)

    def get(self, tariff_id: str, version: int | None = None) -> TariffVersion:
        return self._version

    def assignments(self) -> list[Assignment]:
        return [Assignment(tariff_id="T", scope="default")]


class _Nobody:
    """Tokens of which there are none."""

    def get(self, *_: Any) -> None:
        return None

    def driver(self, _: str) -> None:
        return None


class _Tokens(_Nobody):
    """Nobody's, but for the vehicles that announced themselves."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], VehicleSeen] = {}

    def saw_vehicle(self, vehicle: VehicleSeen) -> None:
        self._seen[vehicle.station_id, vehicle.connector_id] = vehicle

    def vehicle(self, station_id: str, connector_id: int) -> VehicleSeen | None:
        return self._seen.get((station_id, connector_id)) or self._seen.get((station_id, 0))


class _Heap:
    """What is only ever added to."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def add(self, items: Iterable[Any]) -> None:
        self.kept += items

    save = add


class _Commands(_Nobody, _Heap):
    """Commands that were sent, and that nobody looks up."""

    def remote_starts(self, *_: Any) -> list[Any]:
        return []


class MemoryWork:
    def __init__(self, ocpi: dict[str, Any], since: datetime) -> None:
        self.stations = _Stations()
        self.sessions = _Sessions()
        self.tariffs = _Tariffs(ocpi, since)
        self.tokens = _Tokens()
        self.commands = _Commands()
        self.quarantine = _Heap()
        self.history = _Heap()
        self.inventory = _Heap()
        self.security_log = _Heap()
