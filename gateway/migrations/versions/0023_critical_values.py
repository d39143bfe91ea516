"""The loop of critical values: every step a row, clocks, and who is called for an institution.

What was found before has found itself as its first step.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from worklists.base import UtcDateTime, new_id

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ACTIONS = (
    "found", "reviewed", "notified", "received", "handled", "closed", "withdrawn", "called", "misread", "escalated",
    "exhausted",
)  # fmt: skip
_CHANNELS = ("page", "phone", "in_person", "system")


def upgrade() -> None:
    op.create_table(
        "critical_contact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_critical_contact_institution_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_critical_contact_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_contact")),
    )
    op.create_index(op.f("ix_critical_contact_institution_id"), "critical_contact", ["institution_id"])
    op.create_table(
        "critical_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "action", sa.Enum(*_ACTIONS, name="criticalaction", native_enum=False, length=40), nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column(
            "channel", sa.Enum(*_CHANNELS, name="channel", native_enum=False, length=40), nullable=False
        ),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("recipient_person_id", sa.Uuid(), nullable=True),
        sa.Column("detail", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["critical_event.id"], name=op.f("fk_critical_step_event_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_critical_step_person_id")),
        sa.ForeignKeyConstraint(
            ["recipient_person_id"], ["person.id"], name=op.f("fk_critical_step_recipient_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_step")),
    )
    op.create_index(op.f("ix_critical_step_event_id"), "critical_step", ["event_id"])
    op.create_index("ix_critical_step_recipient", "critical_step", ["recipient_person_id", "action"])
    op.add_column("critical_event", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    for name, begin in (("level", "0"), ("version", "1")):
        op.add_column("critical_event", sa.Column(name, sa.Integer(), nullable=False, server_default=begin))
    _begin_traces()


def _begin_traces() -> None:
    event = sa.table("critical_event", sa.column("id", sa.Uuid()), sa.column("found_at", UtcDateTime()))
    step = sa.table(
        "critical_step",
        sa.column("id", sa.Uuid()),
        sa.column("event_id", sa.Uuid()),
        sa.column("action", sa.String()),
        sa.column("at", UtcDateTime()),
        sa.column("channel", sa.String()),
        sa.column("recipient", sa.String()),
        sa.column("detail", _JSON),
    )
    rows = op.get_bind().execute(sa.select(event)).all()
    if rows:
        op.bulk_insert(
            step,
            [
                {
                    "id": new_id(), "event_id": row.id, "action": "found", "at": row.found_at, "channel": "system",
                    "recipient": "", "detail": {},
                }
                for row in rows
            ],
        )  # fmt: skip


def downgrade() -> None:
    with op.batch_alter_table("critical_event") as batch:
        for name in ("version", "level", "due_at"):
            batch.drop_column(name)
    for table in ("critical_step", "critical_contact"):
        op.drop_table(table)
