"""What is known of each electrocardiogram that arrived. The task `describe_ecg` writes it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "ecg_description",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("description", _JSON, nullable=True),
        sa.Column("proposal", _JSON, nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("described_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_ecg_description_record_id")),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_ecg_description")),
    )


def downgrade() -> None:
    op.drop_table("ecg_description")
