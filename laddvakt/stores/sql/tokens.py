"""Tokens, and drivers with their personal data sealed."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from laddvakt.domain.tokens import Driver, Token
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import drivers, tokens


class SqlTokens:
    """Name, e-mail and phone of drivers are encrypted with the privacy key."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, token: str) -> Token | None:
        row = self._db.first(sa.select(tokens).where(tokens.c.token == token))
        return Token(**row._mapping) if row else None

    def all(self) -> list[Token]:
        return [Token(**row._mapping) for row in self._db.all(sa.select(tokens).order_by(tokens.c.token))]

    def save(self, tokens_: Iterable[Token]) -> None:
        self._db.upsert(tokens, [msgspec.structs.asdict(token) for token in tokens_])

    def driver(self, driver_id: str) -> Driver | None:
        """Raises StoreError when the privacy key is not the one that sealed the data."""
        row = self._db.first(sa.select(drivers).where(drivers.c.driver_id == driver_id))
        if row is None:
            return None
        unseal = self._db.cipher.open
        return Driver(
            driver_id=row.driver_id,
            name=unseal(row.name_sealed),
            email=unseal(row.email_sealed),
            phone=unseal(row.phone_sealed),
            plan=row.plan,
        )

    def save_drivers(self, drivers_: Iterable[Driver]) -> None:
        seal = self._db.cipher.seal
        self._db.upsert(
            drivers,
            [
                {
                    "driver_id": driver.driver_id,
                    "name_sealed": seal(driver.name),
                    "email_sealed": seal(driver.email),
                    "phone_sealed": seal(driver.phone),
                    "plan": driver.plan,
                }
                for driver in drivers_
            ],
        )
