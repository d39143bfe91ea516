"""Indexes of what is looked for among millions of rows; two that nobody asks for go."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_record_institution_id", table_name="record")
    op.drop_index("ix_record_unfiled", table_name="record")
    _create("ix_record_unfiled", "record", ["state", "received_at"], "pack_id IS NULL")
    _create("ix_record_pack", "record", ["pack_id"], "pack_id IS NOT NULL")
    _create(
        "ix_examination_incomplete",
        "examination",
        ["institution_id"],
        "expected_instances IS NOT NULL AND instances < expected_instances",
    )
    op.create_index("ix_reading_task_state", "reading_task", ["state", "claimed_until"])
    op.drop_index("ix_report_return_recipient_id", table_name="report_return")
    op.create_index("ix_report_return_inbox", "report_return", ["recipient_id", "delivered_at", "id"])
    op.create_index("ix_report_return_state", "report_return", ["state", "recipient_id"])


def downgrade() -> None:
    op.drop_index("ix_report_return_state", table_name="report_return")
    op.drop_index("ix_report_return_inbox", table_name="report_return")
    op.create_index("ix_report_return_recipient_id", "report_return", ["recipient_id"])
    op.drop_index("ix_reading_task_state", table_name="reading_task")
    op.drop_index("ix_examination_incomplete", table_name="examination")
    op.drop_index("ix_record_pack", table_name="record")
    op.drop_index("ix_record_unfiled", table_name="record")
    op.create_index("ix_record_unfiled", "record", ["pack_id", "state", "received_at"])
    op.create_index("ix_record_institution_id", "record", ["institution_id"])


def _create(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
