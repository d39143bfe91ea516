"""What the head's figures ask: grades of what was made, what was sent back, and of a report how it came about."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_AT = sa.DateTime(timezone=True)
_WORD = sa.String(length=40)
_COUNTED = [
    "modality", "taken_min", "in_time", "positive", "weight", "rank", "reviewed", "preliminary", "state",
]  # fmt: skip
_OF_REPORT = {
    "ix_report_of_centre": ["centre_id", "signed_at", "institution_id", *_COUNTED],
    "ix_report_of_institution": ["institution_id", "signed_at", "centre_id", *_COUNTED],
    "ix_report_of_signer": ["signed_by_id", "signed_at", "centre_id", *_COUNTED],
}
_SECONDS = {
    "sqlite": "CAST(round((julianday({end}) - julianday({begin})) * 86400) AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM {end} - {begin}) AS INTEGER)",
}


def upgrade() -> None:
    op.add_column("draft", sa.Column("positive", sa.Boolean(), nullable=True))
    _make_sent_back()
    _make_grades()
    _extend_reports()


def _make_sent_back() -> None:
    op.create_table(
        "sent_back",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("modality", sa.String(), nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("remade_at", _AT, nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["reading_task.id"], name=op.f("fk_sent_back_task_id")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_sent_back_centre_id")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_sent_back_institution_id")
        ),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_sent_back_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sent_back")),
    )
    op.create_index(op.f("ix_sent_back_task_id"), "sent_back", ["task_id"])
    op.create_index("ix_sent_back_centre", "sent_back", ["centre_id", "at"])


def _make_grades() -> None:
    op.create_table(
        "grade_reason",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("kind", _WORD, nullable=True),
        sa.Column("modalities", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_grade_reason")),
    )
    op.create_table(
        "image_grade",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("modality", sa.String(), nullable=False),
        sa.Column("grade", _WORD, nullable=False),
        sa.Column("reasons", _JSON, nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("graded_at", _AT, nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        *(
            sa.ForeignKeyConstraint([f"{one}_id"], [f"{one}.id"], name=op.f(f"fk_image_grade_{one}_id"))
            for one in ("examination", "institution", "centre", "person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_grade")),
    )
    for name, columns in {
        "ix_image_grade_examination": ["examination_id", "counts"],
        "ix_image_grade_centre": ["centre_id", "graded_at", "counts", "grade", "institution_id", "modality"],
        "ix_image_grade_institution": [
            "institution_id", "graded_at", "counts", "grade", "centre_id", "modality",
        ],
    }.items():  # fmt: skip
        op.create_index(name, "image_grade", columns)


def _extend_reports() -> None:
    """Those that are signed already get what their examination and task say today; what was found is not known of them."""
    for column in (
        sa.Column("institution_id", sa.Uuid(), nullable=True),
        sa.Column("modality", sa.String(), nullable=False, server_default=""),
        sa.Column("rank", sa.Integer(), nullable=False, server_default="3"),
        sa.Column("weight", sa.Double(), nullable=False, server_default="1"),
        sa.Column("reviewed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("taken_min", sa.Integer(), nullable=True),
        sa.Column("in_time", sa.Boolean(), nullable=True),
        sa.Column("positive", sa.Boolean(), nullable=True),
    ):
        op.add_column("report", column)
    op.execute(_what_is_known())
    with op.batch_alter_table("report") as batch:
        batch.alter_column("institution_id", existing_type=sa.Uuid(), nullable=False)
        for name in ("modality", "rank", "weight", "reviewed"):
            batch.alter_column(name, server_default=None)
        batch.create_foreign_key(op.f("fk_report_institution_id"), "institution", ["institution_id"], ["id"])
    for name, columns in _OF_REPORT.items():
        op.create_index(name, "report", columns)


def _what_is_known() -> str:
    seconds = _SECONDS[op.get_bind().dialect.name]
    taken = seconds.format(end="report.signed_at", begin="examination.received_at")
    stood_still = seconds.format(end="task_pause.ended_at", begin="task_pause.began_at")
    pauses = "FROM task_pause WHERE task_pause.task_id = report.task_id"
    paused = f"(SELECT coalesce(sum({stood_still}), 0) {pauses})"
    return f"""
        UPDATE report SET
            institution_id = examination.institution_id, modality = examination.modality,
            rank = reading_task.rank, weight = reading_task.weight,
            reviewed = report.signed_by_id <> report.writer_id,
            taken_min = CASE WHEN report.version = 1 AND {taken} > {paused} THEN ({taken} - {paused}) / 60
                             WHEN report.version = 1 THEN 0 END,
            in_time = CASE WHEN report.version = 1 AND reading_task.due_at IS NOT NULL
                           THEN report.signed_at <= reading_task.due_at END
        FROM examination, reading_task
        WHERE examination.id = report.examination_id AND reading_task.id = report.task_id
    """  # noqa: S608 (nothing of it comes from anybody)
