"""Reports are shared by a code; institutions and centres have a telephone number."""

import sqlalchemy as sa
from alembic import op

from worklists.base import UtcDateTime

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_POINTS_TO = {"examination_id": "examination", "institution_id": "institution", "made_by_id": "person"}


def _word(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, length=40)


_KEYS = _word("sharekey", "card", "birth_date")
_REASONS = _word("revoked", "replaced", "withdrawn", "guessed")
_WHO = _word("sharedwith", "village_doctor", "patient", "family")


def upgrade() -> None:
    with op.batch_alter_table("institution") as table:
        table.add_column(sa.Column("phone", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("share_reports", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("share_days", sa.Integer(), nullable=False, server_default="30"))
    with op.batch_alter_table("centre") as table:
        table.add_column(sa.Column("phone", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "report_share",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("examination_id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("code_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("asks", _KEYS, nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("made_by_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_because", _REASONS, nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.Column("opened_count", sa.Integer(), nullable=False),
        sa.Column("opened_version", sa.Integer(), nullable=True),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("acknowledged_as", _WHO, nullable=True),
        sa.Column("acknowledged_name", sa.String(), nullable=False),
        sa.Column("acknowledged_version", sa.Integer(), nullable=True),
        *(
            sa.ForeignKeyConstraint([name], [f"{table}.id"], name=op.f(f"fk_report_share_{name}"))
            for name, table in _POINTS_TO.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_share")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_report_share_code_hash")),
    )
    op.create_index(op.f("ix_report_share_examination_id"), "report_share", ["examination_id"])
    op.create_table(
        "share_tries",
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("tried_at", UtcDateTime(), nullable=False),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_share_tries")),
    )
    op.create_index(op.f("ix_share_tries_tried_at"), "share_tries", ["tried_at"])
