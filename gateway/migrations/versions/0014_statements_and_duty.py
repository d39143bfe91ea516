"""What an ECG report says besides its words, the statements it is made of, and who is on duty for chest pain."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_GROUPS = ("rhythm", "axis", "conduction", "hypertrophy", "st_t", "conclusion")


def upgrade() -> None:
    for table in ("draft", "report"):
        op.add_column(table, sa.Column("content", _JSON, nullable=True))
    op.add_column("centre", sa.Column("chest_pain_minutes", sa.Integer(), nullable=False, server_default="3"))
    op.create_index("ix_reading_task_lane", "reading_task", ["rank", "state"])
    op.create_table(
        "ecg_statement",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("group", sa.Enum(*_GROUPS, name="ecggroup", native_enum=False, length=40), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("text_en", sa.String(), nullable=False),
        sa.Column("initials", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("normal", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("above", sa.Double(), nullable=True),
        sa.Column("below", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_ecg_statement")),
    )
    op.create_table(
        "duty",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("weekdays", sa.String(), nullable=False),
        sa.Column("begins", sa.String(), nullable=False),
        sa.Column("ends", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_duty_centre_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_duty_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty")),
    )
    op.create_index(op.f("ix_duty_centre_id"), "duty", ["centre_id"])
    op.create_table(
        "duty_call",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("unclaimed_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_duty_call_person_id")),
        sa.ForeignKeyConstraint(["task_id"], ["reading_task.id"], name=op.f("fk_duty_call_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_call")),
        sa.UniqueConstraint(
            "task_id", "unclaimed_since", "place", name=op.f("uq_duty_call_task_id_unclaimed_since_place")
        ),
    )
    op.create_index("ix_duty_call_person", "duty_call", ["person_id", "called_at"])


def downgrade() -> None:
    for table in ("duty_call", "duty", "ecg_statement"):
        op.drop_table(table)
    op.drop_index("ix_reading_task_lane", table_name="reading_task")
    with op.batch_alter_table("centre") as batch:
        batch.drop_column("chest_pain_minutes")
    for name in ("report", "draft"):
        with op.batch_alter_table(name) as batch:
            batch.drop_column("content")
