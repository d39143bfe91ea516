"""The words by which patients are found. The standing task `index_names` fills them in, some hundred at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patient_word",
        sa.Column("word", sa.LargeBinary(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("word", "patient_id", name=op.f("pk_patient_word")),
        sqlite_with_rowid=False,
    )
    op.add_column("patient", sa.Column("worded_at", sa.DateTime(timezone=True), nullable=True))
    unworded = sa.text("worded_at IS NULL")
    op.create_index(
        "ix_patient_unworded", "patient", ["id"], sqlite_where=unworded, postgresql_where=unworded
    )


def downgrade() -> None:
    op.drop_index("ix_patient_unworded", table_name="patient")
    with op.batch_alter_table("patient") as table:
        table.drop_column("worded_at")
    op.drop_table("patient_word")
