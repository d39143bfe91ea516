"""Text that was probably declared in a wrong character set, and what people said about it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study", sa.Column("character_set", sa.String(), nullable=True))
    op.create_table(
        "text_doubt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("declared", sa.String(), nullable=False),
        sa.Column("overridden", sa.String(), nullable=True),
        sa.Column("proposed", sa.String(), nullable=False),
        sa.Column("name_as_declared", sa.String(), nullable=False),
        sa.Column("name_as_proposed", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "confirmed", "rejected", name="doubtstate", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_with_id", sa.Uuid(), nullable=True),
        sa.Column("device_before", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.id"], name=op.f("fk_text_doubt_examination_id")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_text_doubt_institution_id")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_text_doubt_device_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["person.id"], name=op.f("fk_text_doubt_decided_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_doubt")),
        sa.UniqueConstraint("examination_id", name=op.f("uq_text_doubt_examination_id")),
    )
    op.create_index("ix_text_doubt_open", "text_doubt", ["institution_id", "state", "found_at"])
    op.create_index(op.f("ix_text_doubt_device_id"), "text_doubt", ["device_id"])


def downgrade() -> None:
    op.drop_table("text_doubt")
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.drop_column("character_set")
