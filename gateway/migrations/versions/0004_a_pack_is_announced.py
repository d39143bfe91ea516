"""A pack has a row before it is put: what an interrupted put left in the store is known by it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("pack") as batch:
        batch.alter_column("filed_at", existing_type=sa.DateTime(timezone=True), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM pack WHERE filed_at IS NULL")
    with op.batch_alter_table("pack") as batch:
        batch.alter_column("filed_at", existing_type=sa.DateTime(timezone=True), nullable=False)
