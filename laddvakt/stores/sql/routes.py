"""Whom to tell about tickets, and who was told. Addresses carry passwords: they are sealed, and so are names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from laddvakt.domain.oncall import Contact, OnCall
from laddvakt.stores.ports import Delivery, Route
from laddvakt.stores.sql.db import Db, chunks
from laddvakt.stores.sql.schema import contacts, deliveries, rotas, routes


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

    def on_call(self) -> OnCall:
        """Contacts and rotas in the order they were given. Raises StoreError as `all` does."""
        people = self._db.all(sa.select(contacts).order_by(contacts.c.number))
        turns = self._db.all(sa.select(rotas.c.rota).order_by(rotas.c.number))
        return OnCall(contacts=tuple(map(self._contact, people)), rotas=tuple(row.rota for row in turns))

    def save_on_call(self, on_call: OnCall) -> None:
        self._db.execute(contacts.delete())
        self._db.execute(rotas.delete())
        self._db.insert(contacts, [self._contact_row(n, contact) for n, contact in enumerate(on_call.contacts)])
        self._db.insert(
            rotas, [{"rota_id": r.rota_id, "number": n, "rota": r} for n, r in enumerate(on_call.rotas)]
        )

    def _contact_row(self, number: int, contact: Contact) -> dict[str, Any]:
        return {
            "contact_id": contact.contact_id,
            "number": number,
            "name_sealed": self._db.cipher.seal(contact.name),
            "urls_sealed": self._sealed(contact.urls),
        }

    def _contact(self, row: Row[Any]) -> Contact:
        return Contact(
            contact_id=row.contact_id,
            name=self._db.cipher.open(row.name_sealed) or "",
            urls=self._opened(row.urls_sealed),
        )

    def delivery(self, delivery_id: str) -> Delivery | None:
        row = self._db.first(sa.select(deliveries).where(deliveries.c.delivery_id == delivery_id))
        return Delivery(**row._mapping) if row else None

    def deliveries(self, ticket_ids: Iterable[str]) -> list[Delivery]:
        found: list[Delivery] = []
        for ids in chunks(ticket_ids):
            rows = self._db.all(sa.select(deliveries).where(deliveries.c.ticket_id.in_(ids)))
            found += [Delivery(**row._mapping) for row in rows]
        return sorted(found, key=lambda delivery: (delivery.at, delivery.delivery_id))

    def record(self, delivery: Delivery) -> None:
        """The outcome of another try with the same id replaces the former."""
        self._db.upsert(deliveries, [msgspec.structs.asdict(delivery)])

    def _to_row(self, number: int, route: Route) -> dict[str, Any]:
        row = msgspec.structs.asdict(route)
        urls = self._sealed(row.pop("urls"))
        return row | {"number": number, "urls_sealed": urls}

    def _from_row(self, row: Row[Any]) -> Route:
        fields = dict(row._mapping)
        del fields["number"]
        urls = self._opened(fields.pop("urls_sealed"))
        return Route(**fields, urls=urls)

    def _sealed(self, urls: tuple[str, ...]) -> str | None:
        return self._db.cipher.seal(msgspec.json.encode(urls).decode())

    def _opened(self, sealed: str) -> tuple[str, ...]:
        return msgspec.json.decode(self._db.cipher.open(sealed) or "[]", type=tuple[str, ...])
