"""Messages of analysers are listed the last first, over all institutions."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_lab_message_latest", "lab_message", ["received_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_lab_message_latest", table_name="lab_message")
