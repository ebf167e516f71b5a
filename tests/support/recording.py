"""What stations say, into fresh records, and what the records then hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from collector.recorder import Scribe
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import Connector, Station
from laddvakt.settings import RecordsSettings, SessionsSettings, Settings
from laddvakt.stores.ports import QuarantineItem, Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import Speaker, at


class Desk:
    """Records, and a recorder that writes into them."""

    def __init__(self, records: Records, settings: SessionsSettings | None = None) -> None:
        self.records = records
        self.scribe = Scribe(records, "key", settings)

    def record(self, *stations: Speaker) -> None:
        """Everything said so far, then forget it."""
        for station in stations:
            self.scribe.apply(station.said)
            station.said.clear()

    def sweep(self, seconds: float) -> None:
        self.scribe.sweep(at(seconds))

    def register(self, station_id: str = "SE-1", connectors: int = 1, **more: object) -> None:
        """As an import does."""
        plugs = tuple(Connector(connector_id=number) for number in range(1, connectors + 1))
        with self.records.begin() as work:
            work.stations.save([Station(station_id=station_id, registered=True, connectors=plugs, **more)])  # type: ignore[arg-type]  # any field

    @property
    def sessions(self) -> list[Session]:
        with self.records.read() as work:
            return sorted(work.sessions.page().items, key=lambda session: session.started_at)

    @property
    def session(self) -> Session:
        """The only one."""
        (session,) = self.sessions
        return session

    @property
    def quarantine(self) -> tuple[QuarantineItem, ...]:
        with self.records.read() as work:
            return work.quarantine.page().items

    def station(self, station_id: str = "SE-1") -> Station:
        with self.records.read() as work:
            found = work.stations.get(station_id)
        assert found is not None
        return found

    def connector(self, number: int = 1, station_id: str = "SE-1") -> Connector:
        found = self.station(station_id).connector(number)
        assert found is not None
        return found


@contextmanager
def desk(settings: SessionsSettings | None = None) -> Iterator[Desk]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    try:
        yield Desk(store, settings)
    finally:
        store.close()
