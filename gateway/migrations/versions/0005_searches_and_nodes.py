"""Indexes that searches of studies walk, and the addresses at which nodes serve their segments."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_study_study_date", table_name="study")
    op.create_index("ix_study_newest", "study", ["study_date", "study_time", "id"])
    op.create_index("ix_study_accession_number", "study", ["accession_number"])
    op.drop_index("ix_patient_issuer", table_name="patient")
    op.create_index("ix_patient_issuer", "patient", ["patient_id", "institution_id"])
    op.drop_index("ix_reading_task_examination_id", table_name="reading_task")
    op.create_index("ix_reading_task_examination", "reading_task", ["examination_id", "centre_id"])
    op.create_table(
        "node",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node")),
    )


def downgrade() -> None:
    op.drop_table("node")
    op.drop_index("ix_reading_task_examination", table_name="reading_task")
    op.create_index("ix_reading_task_examination_id", "reading_task", ["examination_id"])
    op.drop_index("ix_patient_issuer", table_name="patient")
    op.create_index("ix_patient_issuer", "patient", ["institution_id", "patient_id"])
    op.drop_index("ix_study_accession_number", table_name="study")
    op.drop_index("ix_study_newest", table_name="study")
    op.create_index("ix_study_study_date", "study", ["study_date"])
