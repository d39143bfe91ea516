"""What was sent back names its examination; the indexes of figures name writer and signer."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_COUNTED = [
    "writer_id", "signed_by_id", "modality", "taken_min", "in_time", "positive", "weight", "rank", "reviewed",
    "preliminary", "state",
]  # fmt: skip


def upgrade() -> None:
    op.drop_index("ix_report_of_signer", table_name="report")
    for first, second in (("centre", "institution"), ("institution", "centre")):
        op.drop_index(f"ix_report_of_{first}", table_name="report")
        op.create_index(
            f"ix_report_of_{first}", "report", [f"{first}_id", "signed_at", f"{second}_id", *_COUNTED]
        )
    op.add_column("sent_back", sa.Column("examination_id", sa.Uuid(), nullable=True))
    op.execute(
        "UPDATE sent_back SET examination_id ="
        " (SELECT examination_id FROM reading_task WHERE reading_task.id = sent_back.task_id)"
    )
    with op.batch_alter_table("sent_back") as batch:
        batch.alter_column("examination_id", existing_type=sa.Uuid(), nullable=False)
        batch.create_foreign_key(
            op.f("fk_sent_back_examination_id"), "examination", ["examination_id"], ["id"]
        )
