"""Tariff versions, never changed once written, and where they apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from laddvakt.stores.ports import Assignment, TariffVersion
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import assignments, tariff_versions

_number_encoder = msgspec.json.Encoder(decimal_format="number")


def _plain(ocpi: Mapping[str, Any]) -> dict[str, Any]:
    """As read back from JSON: Decimals as the numbers they are."""
    return msgspec.json.decode(_number_encoder.encode(dict(ocpi)), type=dict[str, Any])


class SqlTariffs:
    """Versions count from 1."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, tariff_id: str, version: int | None = None) -> TariffVersion | None:
        statement = sa.select(tariff_versions).where(tariff_versions.c.tariff_id == tariff_id)
        if version is not None:
            statement = statement.where(tariff_versions.c.version == version)
        row = self._db.first(statement.order_by(tariff_versions.c.version.desc()).limit(1))
        return TariffVersion(**row._mapping) if row else None

    def newest(self) -> list[TariffVersion]:
        """Ordered by tariff_id."""
        latest = (
            sa.select(tariff_versions.c.tariff_id, sa.func.max(tariff_versions.c.version).label("version"))
            .group_by(tariff_versions.c.tariff_id)
            .subquery()
        )
        same = sa.and_(
            tariff_versions.c.tariff_id == latest.c.tariff_id, tariff_versions.c.version == latest.c.version
        )
        statement = sa.select(tariff_versions).join(latest, same).order_by(tariff_versions.c.tariff_id)
        return [TariffVersion(**row._mapping) for row in self._db.all(statement)]

    def put(self, tariff_id: str, ocpi: Mapping[str, Any], *, now: datetime) -> TariffVersion:
        """A new version, valid from `now`; the newest one itself when `ocpi` says the same."""
        newest, plain = self.get(tariff_id), _plain(ocpi)
        if newest is not None and newest.ocpi == plain:
            return newest
        version = TariffVersion(
            tariff_id=tariff_id, version=newest.version + 1 if newest else 1, valid_from=now, ocpi=plain
        )
        self._db.insert(tariff_versions, [msgspec.structs.asdict(version)])
        return version

    def assignments(self) -> list[Assignment]:
        """In the order they were given."""
        columns = (column for column in assignments.c if column.name != "number")
        rows = self._db.all(sa.select(*columns).order_by(assignments.c.number))
        return [Assignment(**row._mapping) for row in rows]

    def save_assignments(self, assignments_: Iterable[Assignment]) -> None:
        self._db.execute(assignments.delete())
        rows = [{"number": n, **msgspec.structs.asdict(item)} for n, item in enumerate(assignments_)]
        self._db.insert(assignments, rows)
