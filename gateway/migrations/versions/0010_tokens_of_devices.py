"""The device that a machine's token sends for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("machine_token") as table:
        table.add_column(sa.Column("device_id", sa.Uuid(), nullable=True))
        table.create_foreign_key(op.f("fk_machine_token_device_id"), "device", ["device_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("machine_token") as table:
        table.drop_constraint(op.f("fk_machine_token_device_id"), type_="foreignkey")
        table.drop_column("device_id")
