"""Contacts, rotas and what routes can ask for; who was told, how and in how many tries; bays of connectors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0035"
down_revision = "0030"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("connectors", sa.Column("bay", Text, nullable=True))
    op.add_column("routes", sa.Column("contacts", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("routes", sa.Column("rota", Text, nullable=True))
    op.add_column("routes", sa.Column("backup", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("routes", sa.Column("quiet", Text, nullable=True))
    op.add_column("routes", sa.Column("escalate_p1_after_s", sa.BigInteger(), nullable=True))
    op.add_column("routes", sa.Column("repeat_every_s", sa.BigInteger(), nullable=True))
    op.create_table(
        "contacts",
        sa.Column("contact_id", Text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name_sealed", Text, nullable=False),
        sa.Column("urls_sealed", Text, nullable=False),
        sa.PrimaryKeyConstraint("contact_id", name="pk_contacts"),
    )
    op.create_table(
        "rotas",
        sa.Column("rota_id", Text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rota", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("rota_id", name="pk_rotas"),
    )
    op.add_column("deliveries", sa.Column("contact", Text, nullable=False, server_default=""))
    op.add_column("deliveries", sa.Column("number", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("deliveries", sa.Column("way", Text, nullable=False, server_default=""))
    op.add_column("deliveries", sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("deliveries", sa.Column("tickets", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("deliveries") as table:
        table.alter_column("contact", server_default=None)
        table.alter_column("way", server_default=None)
    with op.batch_alter_table("routes") as table:
        table.alter_column("backup", server_default=None)
