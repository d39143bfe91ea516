"""Who excluded a result of control material, and the index of those that are out of control."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_OPEN = sa.text("verdict = 'out_of_control' AND released_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("lab_control_result") as batch:
        batch.add_column(sa.Column("excluded_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("excluded_by_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("exclusion_reason", sa.String(), nullable=False, server_default=""))
        batch.create_foreign_key(
            op.f("fk_lab_control_result_excluded_by_id"), "person", ["excluded_by_id"], ["id"]
        )
    op.create_index(
        "ix_lab_control_result_open",
        "lab_control_result",
        ["device_id"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    op.drop_index("ix_lab_control_result_open", "lab_control_result")
    with op.batch_alter_table("lab_control_result") as batch:
        batch.drop_constraint(op.f("fk_lab_control_result_excluded_by_id"), type_="foreignkey")
        for column in ("excluded_at", "excluded_by_id", "exclusion_reason"):
            batch.drop_column(column)
