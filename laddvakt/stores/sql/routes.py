"""Whom to tell about tickets, and who was told. A route's URLs carry passwords: they are sealed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from laddvakt.domain.errors import StoreError
from laddvakt.stores.ports import Delivery, Route
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import deliveries, routes


class SqlRoutes:
    """Routes come back in the order they were given."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def all(self) -> list[Route]:
        """Raises StoreError when the privacy key is not the one that sealed the URLs."""
        return [self._from_row(row) for row in self._db.all(sa.select(routes).order_by(routes.c.number))]

    def save(self, routes_: Iterable[Route]) -> None:
        self._db.execute(routes.delete())
        self._db.insert(routes, [self._to_row(number, route) for number, route in enumerate(routes_)])

    def delivery(self, delivery_id: str) -> Delivery | None:
        row = self._db.first(sa.select(deliveries).where(deliveries.c.delivery_id == delivery_id))
        return Delivery(**row._mapping) if row else None

    def record(self, delivery: Delivery) -> None:
        """The outcome of another try with the same id replaces the former."""
        self._db.upsert(deliveries, [msgspec.structs.asdict(delivery)])

    def _to_row(self, number: int, route: Route) -> dict[str, Any]:
        row = msgspec.structs.asdict(route)
        urls = msgspec.json.encode(row.pop("urls")).decode()
        return row | {"number": number, "urls_sealed": self._db.cipher.seal(urls)}

    def _from_row(self, row: Row[Any]) -> Route:
        fields = dict(row._mapping)
        del fields["number"]
        urls = self._db.cipher.open(fields.pop("urls_sealed"))
        if urls is None:
            raise StoreError(f"route {row.route_id} has no URLs.", mend="Import the network file again.")
        return Route(**fields, urls=msgspec.json.decode(urls, type=tuple[str, ...]))
