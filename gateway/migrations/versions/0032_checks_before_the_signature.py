"""Doubts that were waved through, what writers handed on, discrepancies, preliminary reports, sides of series."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def _word(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, length=40)


_CHECK = _word(
    "check", "laterality_texts", "laterality_study", "sex", "critical", "unconcluded", "unmentioned", "unit_mix",
    "number", "stale", "empty", "blank", "punctuation",
)  # fmt: skip
_SECTION = _word("section", "findings", "impression", "")
_GRADE = _word("grade", "none", "minor", "major")
_CATEGORY = _word("category", "missed", "misread", "laterality", "incomplete", "wording", "typing", "other")


def _foreign(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    op.add_column("series", sa.Column("laterality", sa.String(), nullable=False, server_default=""))
    op.add_column("reading_task", sa.Column("preliminary_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "report_override",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("code", _CHECK, nullable=False),
        sa.Column("section", _SECTION, nullable=False),
        sa.Column("quoted", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("overridden_at", sa.DateTime(timezone=True), nullable=False),
        _foreign("report_override", "task_id", "reading_task"),
        _foreign("report_override", "person_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_override")),
        sa.UniqueConstraint("task_id", "key", name=op.f("uq_report_override_task_id_key")),
    )
    op.create_table(
        "report_submission",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("writer_id", sa.Uuid(), nullable=False),
        sa.Column("findings", sa.String(), nullable=False),
        sa.Column("impression", sa.String(), nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("content", _JSON, nullable=True),
        sa.Column("preliminary", sa.Boolean(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        _foreign("report_submission", "task_id", "reading_task"),
        _foreign("report_submission", "writer_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_submission")),
    )
    op.create_index(op.f("ix_report_submission_task_id"), "report_submission", ["task_id"])
    op.create_table(
        "report_discrepancy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("writer_id", sa.Uuid(), nullable=False),
        sa.Column("reviewer_id", sa.Uuid(), nullable=False),
        sa.Column("grade", _GRADE, nullable=False),
        sa.Column("category", _CATEGORY, nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("graded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", sa.String(), nullable=False),
        _foreign("report_discrepancy", "report_id", "report"),
        _foreign("report_discrepancy", "submission_id", "report_submission"),
        _foreign("report_discrepancy", "centre_id", "centre"),
        _foreign("report_discrepancy", "writer_id", "person"),
        _foreign("report_discrepancy", "reviewer_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_discrepancy")),
        sa.UniqueConstraint("report_id", name=op.f("uq_report_discrepancy_report_id")),
    )
    for name, first in (("writer", "writer_id"), ("centre", "centre_id")):
        op.create_index(f"ix_report_discrepancy_{name}", "report_discrepancy", [first, "graded_at"])


def downgrade() -> None:
    for table in ("report_discrepancy", "report_submission", "report_override"):
        op.drop_table(table)
    with op.batch_alter_table("reading_task") as batch:
        batch.drop_column("preliminary_at")
    with op.batch_alter_table("series") as batch:
        batch.drop_column("laterality")
