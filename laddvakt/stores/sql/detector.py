"""What the detector remembers: a state per station, and versions of its models."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import detector_models, detector_rows, detector_states

KEPT_MODELS = 3
"""Versions of one model that are kept."""


class SqlDetectorStates:
    """Bytes in, the same bytes out."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def load(self) -> dict[str, bytes]:
        statement = sa.select(detector_states).order_by(detector_states.c.station_id)
        return {row.station_id: row.state for row in self._db.all(statement)}

    def save(self, states: Mapping[str, bytes]) -> None:
        rows = [{"station_id": station_id, "state": state} for station_id, state in states.items()]
        self._db.upsert(detector_states, rows)

    def model(self, name: str) -> bytes | None:
        models = detector_models.c
        newest = sa.select(models.data).where(models.name == name).order_by(models.version.desc()).limit(1)
        row = self._db.first(newest)
        return bytes(row[0]) if row else None

    def save_model(self, name: str, data: bytes, info: Mapping[str, Any], *, now: datetime) -> int:
        """A new version; versions count from 1."""
        models = detector_models.c
        row = self._db.first(sa.select(sa.func.max(models.version)).where(models.name == name))
        version = (row[0] if row and row[0] else 0) + 1
        new = {"name": name, "version": version, "data": data, "info": dict(info), "created_at": now}
        self._db.insert(detector_models, [new])
        old = sa.delete(detector_models).where(models.name == name, models.version <= version - KEPT_MODELS)
        self._db.execute(old)
        return version

    def keep_rows(self, name: str, data: bytes, *, until: datetime) -> None:
        self._db.insert(detector_rows, [{"name": name, "until": until, "data": data}])

    def rows(self, name: str, *, since: datetime, after: int = 0, limit: int = 50) -> list[tuple[int, bytes]]:
        kept = detector_rows.c
        statement = (
            sa.select(kept.number, kept.data)
            .where(kept.name == name, kept.until >= since, kept.number > after)
            .order_by(kept.number)
            .limit(limit)
        )
        return [(row.number, bytes(row.data)) for row in self._db.all(statement)]

    def forget_rows(self, *, before: datetime) -> int:
        return self._db.execute(sa.delete(detector_rows).where(detector_rows.c.until < before))
