"""Tokens, and drivers with their personal data sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import sqlalchemy as sa

from laddvakt.domain.errors import StoreError
from laddvakt.domain.tokens import Driver, Token
from laddvakt.stores.ports import ListedToken, VehicleSeen
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import drivers, tokens, vehicles_seen

_TOKEN = [tokens.c[name] for name in Token.__struct_fields__]
_LISTED = tokens.c.listed.is_not(None)


class SqlTokens:
    """Name, e-mail and phone of drivers, and idTags where they are kept at all, are encrypted with the privacy
    key."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, token: str) -> Token | None:
        row = self._db.first(sa.select(*_TOKEN).where(tokens.c.token == token))
        return Token(**row._mapping) if row else None

    def all(self) -> list[Token]:
        return [Token(**row._mapping) for row in self._db.all(sa.select(*_TOKEN).order_by(tokens.c.token))]

    def save(self, tokens_: Iterable[Token]) -> None:
        self._db.upsert(tokens, [msgspec.structs.asdict(token) for token in tokens_])

    def list_version(self) -> int:
        row = self._db.first(sa.select(sa.func.max(tokens.c.listed)))
        return (row[0] if row else None) or 0

    def listed_names(self) -> set[str]:
        return {row.token for row in self._db.all(sa.select(tokens.c.token).where(_LISTED))}

    def listed(self) -> list[ListedToken]:
        """Ordered by pseudonym. Raises StoreError when the privacy key is not the one that sealed the idTags."""
        statement = sa.select(*_TOKEN, tokens.c.id_tag_sealed, tokens.c.listed).where(_LISTED)
        found = []
        for row in self._db.all(statement.order_by(tokens.c.token)):
            fields = dict(row._mapping)
            sealed, listed = fields.pop("id_tag_sealed"), fields.pop("listed")
            id_tag = self._db.cipher.open(sealed)
            if id_tag is None:
                raise StoreError(
                    f"token {row.token} is listed without its idTag.", mend="Import the network file."
                )
            found.append(ListedToken(token=Token(**fields), id_tag=id_tag, listed=listed))
        return found

    def put_on_list(self, id_tags: Mapping[str, str], version: int) -> None:
        """Tokens that were never saved are left out."""
        for token, id_tag in id_tags.items():
            change = tokens.update().where(tokens.c.token == token)
            self._db.execute(change.values(id_tag_sealed=self._db.cipher.seal(id_tag), listed=version))

    def clear_list(self) -> None:
        self._db.execute(tokens.update().where(_LISTED).values(id_tag_sealed=None, listed=None))

    def saw_vehicle(self, vehicle: VehicleSeen) -> None:
        self._db.upsert(vehicles_seen, [msgspec.structs.asdict(vehicle)])

    def vehicle(self, station_id: str, connector_id: int) -> VehicleSeen | None:
        """The newest of those announced at the connector and at the station as a whole."""
        column = vehicles_seen.c
        there = sa.select(vehicles_seen).where(
            column.station_id == station_id, column.connector_id.in_((0, connector_id))
        )
        row = self._db.first(there.order_by(column.seen_at.desc()).limit(1))
        return VehicleSeen(**row._mapping) if row else None

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
