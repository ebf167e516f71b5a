"""The records in SQL: `open_records(settings)`, or `SqlRecords(url, cipher)`."""

from laddvakt.stores.sql.engine import SqlRecords, open_records

__all__ = ["SqlRecords", "open_records"]
