"""Stations with their connectors, and sites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from laddvakt.domain.errors import NotFoundError
from laddvakt.domain.stations import Connector, Site, Station
from laddvakt.stores.ports import Credentials, Page
from laddvakt.stores.sql.cursors import check_limit, decode_cursor, encode_cursor
from laddvakt.stores.sql.db import Change, Db, changed_fields, chunks
from laddvakt.stores.sql.schema import connectors, sites, stations

_CREDENTIALS = [stations.c[name] for name in Credentials.__struct_fields__]
_STATION_COLUMNS = tuple(column for column in stations.c if column.name not in Credentials.__struct_fields__)
_STATION = sa.select(*_STATION_COLUMNS)
_COLUMNS = tuple(column.name for column in _STATION_COLUMNS)
_CONNECTOR_COLUMNS = tuple(column.name for column in connectors.c)
_CONNECTOR = sa.select(connectors).order_by(connectors.c.station_id, connectors.c.connector_id)


def _connector(row: Row[Any]) -> Connector:
    fields = dict(zip(_CONNECTOR_COLUMNS, row, strict=True))
    del fields["station_id"]
    return Connector(**fields)


def _part(station: Station, connector: Connector) -> dict[str, Any]:
    return {"station_id": station.station_id, **msgspec.structs.asdict(connector)}


def _credentials(row: Row[Any]) -> Credentials:
    fields = dict(row._mapping)
    del fields["station_id"]
    return Credentials(**fields)


class SqlStations:
    """Connectors come back ordered by their number. Of what this unit of work has read, only the changes are
    written: nobody else writes meanwhile."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._read: dict[str, Station] = {}

    def get(self, station_id: str) -> Station | None:
        return self.many([station_id]).get(station_id)

    def many(self, station_ids: Iterable[str]) -> dict[str, Station]:
        ids = list(station_ids)
        parts: dict[str, list[Connector]] = {}
        for fields in self._db.among(tuple(connectors.c), connectors.c.station_id, ids):
            parts.setdefault(fields.pop("station_id"), []).append(Connector(**fields))
        found: dict[str, Station] = {}
        for fields in self._db.among(_STATION_COLUMNS, stations.c.station_id, ids):
            its = sorted(parts.get(fields["station_id"], ()), key=lambda connector: connector.connector_id)
            found[fields["station_id"]] = Station(**fields, connectors=tuple(its))
        self._read |= found
        return found

    def all(self) -> list[Station]:
        rows = self._db.all(_STATION.order_by(stations.c.station_id))
        return self._build(rows, self._db.all(_CONNECTOR))

    def bare(self) -> list[Station]:
        rows = self._db.all(_STATION.order_by(stations.c.station_id))
        return [Station(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def page(self, *, after: str | None = None, limit: int = 100, site_id: str | None = None) -> Page[Station]:
        """Ordered by station_id."""
        statement = _STATION.order_by(stations.c.station_id).limit(check_limit(limit) + 1)
        if after is not None:
            statement = statement.where(stations.c.station_id > str(decode_cursor(after)[1]))
        if site_id is not None:
            statement = statement.where(stations.c.site_id == site_id)
        rows = self._db.all(statement)
        shown = rows[:limit]
        parts: list[Row[Any]] = []
        for ids in chunks(row.station_id for row in shown):
            parts += self._db.all(_CONNECTOR.where(connectors.c.station_id.in_(ids)))
        more = encode_cursor((0, shown[-1].station_id)) if len(rows) > limit else None
        return Page(items=tuple(self._build(shown, parts)), next=more)

    def save(self, stations_: Iterable[Station]) -> None:
        given = {station.station_id: station for station in stations_}
        known = {key: before for key in given if (before := self._read.get(key))}
        self._insert([station for key, station in given.items() if key not in known])
        self._change([(before, given[key]) for key, before in known.items()])
        self._read |= given

    def _change(self, pairs: list[tuple[Station, Station]]) -> None:
        changed: list[Change] = []
        parts: list[Change] = []
        fresh: list[dict[str, Any]] = []
        for before, after in pairs:
            fields = changed_fields(before, after)
            fields.pop("connectors", None)
            changed.append(((after.station_id,), fields))
            if after.connectors == before.connectors:
                continue
            former = {connector.connector_id: connector for connector in before.connectors}
            for connector in after.connectors:
                old = former.pop(connector.connector_id, None)
                if old is None:
                    fresh.append(_part(after, connector))
                else:
                    key = (after.station_id, connector.connector_id)
                    parts.append((key, changed_fields(old, connector)))
            for connector_id in former:
                self._drop_connector(after.station_id, connector_id)
        self._db.update(stations, changed)
        self._db.update(connectors, parts)
        self._db.upsert(connectors, fresh)

    def _insert(self, given: list[Station]) -> None:
        rows, parts = [], []
        for station in given:
            row = msgspec.structs.asdict(station)
            del row["connectors"]
            rows.append(row)
            parts += [_part(station, connector) for connector in station.connectors]
        self._db.upsert(stations, rows)
        kept = {(part["station_id"], part["connector_id"]) for part in parts}
        self._drop_connectors_beside([station.station_id for station in given], kept)
        self._db.upsert(connectors, parts)

    def _drop_connectors_beside(self, station_ids: Iterable[str], kept: set[tuple[str, int]]) -> None:
        """Delete only what is really gone: deleting and inserting all of them would churn every index."""
        key = (connectors.c.station_id, connectors.c.connector_id)
        for ids in chunks(station_ids):
            stored = self._db.all(sa.select(*key).where(connectors.c.station_id.in_(ids)))
            for station_id, connector_id in {tuple(row) for row in stored} - kept:
                self._drop_connector(station_id, connector_id)

    def _drop_connector(self, station_id: str, connector_id: int) -> None:
        key = (connectors.c.station_id == station_id, connectors.c.connector_id == connector_id)
        self._db.execute(connectors.delete().where(*key))

    def password_hash(self, station_id: str) -> str | None:
        row = self._db.first(sa.select(stations.c.password_hash).where(stations.c.station_id == station_id))
        return row[0] if row else None

    def set_password_hash(self, station_id: str, password_hash: str | None) -> None:
        """Raises NotFoundError for a station that was never saved."""
        self._set(station_id, password_hash=password_hash)

    def credentials(self, station_ids: Iterable[str] | None = None) -> dict[str, Credentials]:
        """Of registered stations: these, or all."""
        registered = sa.select(stations.c.station_id, *_CREDENTIALS).where(stations.c.registered)
        if station_ids is None:
            parts = [registered]
        else:
            parts = [
                registered.where(stations.c.station_id.in_(ids)) for ids in chunks(dict.fromkeys(station_ids))
            ]
        rows = [row for part in parts for row in self._db.all(part)]
        return {row.station_id: _credentials(row) for row in rows}

    def set_credentials(self, station_id: str, credentials: Credentials) -> None:
        """Raises NotFoundError for a station that was never saved."""
        self._set(station_id, **msgspec.structs.asdict(credentials))

    def _set(self, station_id: str, **values: Any) -> None:
        change = stations.update().where(stations.c.station_id == station_id).values(**values)
        if not self._db.execute(change):
            raise NotFoundError(f"station {station_id} is not in the records.", mend="Save it first.")

    def sites(self) -> list[Site]:
        return [Site(**row._mapping) for row in self._db.all(sa.select(sites).order_by(sites.c.site_id))]

    def save_sites(self, sites_: Iterable[Site]) -> None:
        self._db.upsert(sites, [msgspec.structs.asdict(site) for site in sites_])

    def _build(self, rows: Sequence[Row[Any]], parts: Sequence[Row[Any]]) -> list[Station]:
        by_station: dict[str, list[Connector]] = {}
        for part in parts:
            by_station.setdefault(part.station_id, []).append(_connector(part))
        found = [
            Station(**dict(zip(_COLUMNS, row, strict=True)), connectors=tuple(by_station.get(row.station_id, ())))
            for row in rows
        ]
        self._read.update((station.station_id, station) for station in found)
        return found
