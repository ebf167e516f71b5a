"""Alembic migrations of the records; `migrate` in the engine runs them inside one transaction."""
