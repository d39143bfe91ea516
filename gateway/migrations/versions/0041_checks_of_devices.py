"""Quality control of imaging devices and ECG carts: checks, their evidence, and how often they are due."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def _word(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, length=40)


_KIND = _word("checkkind", "daily", "constancy", "status", "acceptance", "calibration")
_RESULT = _word("checkresult", "pass", "fail")
_FAILED = sa.text("result = 'fail'")


def _foreign(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    op.create_table(
        "device_check",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _KIND, nullable=False),
        sa.Column("result", _RESULT, nullable=False),
        sa.Column("done_on", sa.Date(), nullable=False),
        sa.Column("done_by", sa.String(), nullable=False),
        sa.Column("measured", sa.String(), nullable=False),
        sa.Column("next_due_on", sa.Date(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("entered_by_id", sa.Uuid(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("corrects_id", sa.Uuid(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by_id", sa.Uuid(), nullable=True),
        sa.Column("release_reason", sa.String(), nullable=False),
        sa.Column("release_covers_meanwhile", sa.Boolean(), nullable=False),
        _foreign("device_check", "device_id", "device"),
        _foreign("device_check", "entered_by_id", "person"),
        _foreign("device_check", "corrects_id", "device_check"),
        _foreign("device_check", "released_by_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_check")),
        sa.UniqueConstraint("corrects_id", name=op.f("uq_device_check_corrects_id")),
    )
    op.create_index("ix_device_check_of", "device_check", ["device_id", "kind", "done_on", "id"])
    op.create_index(
        "ix_device_check_failed", "device_check", ["device_id", "done_on"],
        sqlite_where=_FAILED, postgresql_where=_FAILED,
    )  # fmt: skip
    op.create_table(
        "device_check_evidence",
        sa.Column("check_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_by_id", sa.Uuid(), nullable=False),
        _foreign("device_check_evidence", "check_id", "device_check"),
        _foreign("device_check_evidence", "kept_by_id", "person"),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_device_check_evidence")),
    )
    op.create_table(
        "device_check_interval",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("modality", sa.String(), nullable=False),
        sa.Column("kind", _KIND, nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("late_takes_mark", sa.Boolean(), nullable=False),
        sa.Column("unconfirmed", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_check_interval")),
        sa.UniqueConstraint("modality", "kind", name=op.f("uq_device_check_interval_modality_kind")),
    )


def downgrade() -> None:
    for table in ("device_check_interval", "device_check_evidence", "device_check"):
        op.drop_table(table)
