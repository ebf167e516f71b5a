"""The records, opened for the length of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from laddvakt.settings import Settings

if TYPE_CHECKING:
    from laddvakt.stores.ports import Records


@contextmanager
def opened_records(settings: Settings) -> Iterator[Records]:
    """Migrated and ready; closed at the end. Raises SettingsError, StoreError."""
    from laddvakt.stores.sql.engine import open_records

    records = open_records(settings)
    try:
        records.migrate()
        yield records
    finally:
        records.close()
