"""What became of a specimen step by step, which one it replaces, and the numbers that the county gives out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "lab_number",
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_lab_number")),
    )
    with op.batch_alter_table("lab_specimen") as table:
        table.add_column(sa.Column("replaces_id", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("steps", _JSON, nullable=False, server_default="[]"))
        table.create_foreign_key(op.f("fk_lab_specimen_replaces_id"), "lab_specimen", ["replaces_id"], ["id"])
    op.create_index(
        "ix_lab_specimen_replaces",
        "lab_specimen",
        ["replaces_id"],
        sqlite_where=sa.text("replaces_id IS NOT NULL"),
        postgresql_where=sa.text("replaces_id IS NOT NULL"),
    )
