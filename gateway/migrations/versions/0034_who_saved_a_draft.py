"""A draft knows who saved it last, where that was not its writer: a reviewer corrects without becoming one."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("draft") as batch:
        batch.add_column(sa.Column("saved_by_id", sa.Uuid(), nullable=True))
        batch.create_foreign_key(op.f("fk_draft_saved_by_id"), "person", ["saved_by_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("draft") as batch:
        batch.drop_constraint(op.f("fk_draft_saved_by_id"), type_="foreignkey")
        batch.drop_column("saved_by_id")
