"""Rule books, who reads what, who is away, and what a task knows of whose it is to be.

There is another urgency between chest pain and urgent: the ranks behind it move.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_STATES = ("draft", "live", "retired")


def upgrade() -> None:
    op.create_table(
        "rule_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "state", sa.Enum(*_STATES, name="versionstate", native_enum=False, length=40), nullable=False
        ),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by_id", sa.Uuid(), nullable=True),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("live_by_id", sa.Uuid(), nullable=True),
        sa.Column("dry_run", _JSON, nullable=True),
        sa.ForeignKeyConstraint(["made_by_id"], ["person.id"], name=op.f("fk_rule_version_made_by_id")),
        sa.ForeignKeyConstraint(["live_by_id"], ["person.id"], name=op.f("fk_rule_version_live_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_version")),
        sa.UniqueConstraint("book", "scope", "version", name=op.f("uq_rule_version_book_scope_version")),
    )
    op.create_index(
        "ix_rule_version_live", "rule_version", ["book", "scope"], unique=True,
        sqlite_where=sa.text("state = 'live'"), postgresql_where=sa.text("state = 'live'"),
    )  # fmt: skip
    op.create_table(
        "reader_qualification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("modalities", _JSON, nullable=False),
        sa.Column("subspecialties", _JSON, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_reader_qualification_centre_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_reader_qualification_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader_qualification")),
        sa.UniqueConstraint(
            "centre_id", "person_id", name=op.f("uq_reader_qualification_centre_id_person_id")
        ),
    )
    op.create_table(
        "absence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("cover_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_absence_centre_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_absence_person_id")),
        sa.ForeignKeyConstraint(["cover_id"], ["person.id"], name=op.f("fk_absence_cover_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absence")),
    )
    op.create_index("ix_absence_last_day", "absence", ["centre_id", "last_day"])
    op.create_table(
        "task_pause",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["reading_task.id"], name=op.f("fk_task_pause_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_pause")),
    )
    op.create_index(op.f("ix_task_pause_task_id"), "task_pause", ["task_id"])
    for column in ("first_day", "last_day"):
        op.add_column("duty", sa.Column(column, sa.Date(), nullable=True))
    _change_tasks()


def _change_tasks() -> None:
    for column in (
        sa.Column("subspecialty", sa.String(), nullable=False, server_default=""),
        sa.Column("weight", sa.Double(), nullable=False, server_default="1"),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assigned_because", _JSON, nullable=True),
        sa.Column("reserved", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("hand_over_note", sa.String(), nullable=False, server_default=""),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.String(), nullable=False, server_default=""),
    ):
        op.add_column("reading_task", column)
    with op.batch_alter_table("reading_task") as batch:
        for name in ("assigned_to_id", "handed_over_by_id"):
            batch.add_column(sa.Column(name, sa.Uuid(), nullable=True))
            batch.create_foreign_key(op.f(f"fk_reading_task_{name}"), "person", [name], ["id"])
    op.create_index("ix_reading_task_assigned", "reading_task", ["assigned_to_id", "state"])
    op.execute("UPDATE reading_task SET rank = rank + 1 WHERE rank > 0")


def downgrade() -> None:
    op.execute("UPDATE reading_task SET rank = rank - 1 WHERE rank > 1")
    op.drop_index("ix_reading_task_assigned", table_name="reading_task")
    with op.batch_alter_table("reading_task") as batch:
        for name in ("handed_over_by_id", "assigned_to_id"):
            batch.drop_constraint(op.f(f"fk_reading_task_{name}"), type_="foreignkey")
            batch.drop_column(name)
        for name in (
            "pause_reason", "paused_at", "hand_over_note", "reserved", "assigned_because", "assigned_at", "weight",
            "subspecialty",
        ):  # fmt: skip
            batch.drop_column(name)
    with op.batch_alter_table("duty") as batch:
        batch.drop_column("last_day")
        batch.drop_column("first_day")
    for table in ("task_pause", "absence", "reader_qualification", "rule_version"):
        op.drop_table(table)
