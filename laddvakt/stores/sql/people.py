"""Users, API tokens and the audit trail."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from laddvakt.stores.ports import ApiToken, AuditItem, Page, User
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db
from laddvakt.stores.sql.schema import api_tokens, audit, users


class SqlPeople:
    """A name has one API token: saving another under the same name revokes the former."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def user(self, name: str) -> User | None:
        row = self._db.first(sa.select(users).where(users.c.name == name))
        return User(**row._mapping) if row else None

    def users(self) -> list[User]:
        return [User(**row._mapping) for row in self._db.all(sa.select(users).order_by(users.c.name))]

    def save_user(self, user: User) -> None:
        self._db.upsert(users, [msgspec.structs.asdict(user)])

    def api_token(self, token_hash: str) -> ApiToken | None:
        row = self._db.first(sa.select(api_tokens).where(api_tokens.c.token_hash == token_hash))
        return ApiToken(**row._mapping) if row else None

    def save_api_token(self, token: ApiToken) -> None:
        self._db.upsert(api_tokens, [msgspec.structs.asdict(token)])

    def audit(self, item: AuditItem) -> None:
        self._db.insert(audit, [msgspec.structs.asdict(item)])

    def audit_page(self, *, after: str | None = None, limit: int = 100) -> Page[AuditItem]:
        return newest_first(
            self._db,
            sa.select(audit),
            time=audit.c.at,
            tie=audit.c.number,
            after=after,
            limit=limit,
            build=lambda rows: [
                AuditItem(at=row.at, actor=row.actor, action=row.action, object=row.object, detail=row.detail)
                for row in rows
            ],
        )
