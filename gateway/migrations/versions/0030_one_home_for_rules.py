"""Rules of verification become a rule book: every version moves, with its number, its dry run and who let it live."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_STATES = ("draft", "live", "retired")
_SAME = "id, version, state, content, note, made_at, made_by_id, live_at, live_by_id, dry_run"


def upgrade() -> None:
    op.execute(
        f"INSERT INTO rule_version (book, scope, {_SAME}) "  # noqa: S608 (nothing of it comes from anybody)
        f"SELECT 'verification', '', {_SAME} FROM lab_verification_rules"
    )
    op.drop_index("ix_lab_verification_rules_live", table_name="lab_verification_rules")
    op.drop_table("lab_verification_rules")


def downgrade() -> None:
    op.create_table(
        "lab_verification_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "state", sa.Enum(*_STATES, name="rulesetstate", native_enum=False, length=40), nullable=False
        ),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by_id", sa.Uuid(), nullable=True),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("live_by_id", sa.Uuid(), nullable=True),
        sa.Column("dry_run", _JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["live_by_id"], ["person.id"], name=op.f("fk_lab_verification_rules_live_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["person.id"], name=op.f("fk_lab_verification_rules_made_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_verification_rules")),
        sa.UniqueConstraint("version", name=op.f("uq_lab_verification_rules_version")),
    )
    op.create_index(
        "ix_lab_verification_rules_live", "lab_verification_rules", ["state"], unique=True,
        sqlite_where=sa.text("state = 'live'"), postgresql_where=sa.text("state = 'live'"),
    )  # fmt: skip
    op.execute(
        f"INSERT INTO lab_verification_rules ({_SAME}) "  # noqa: S608 (nothing of it comes from anybody)
        f"SELECT {_SAME} FROM rule_version WHERE book = 'verification'"
    )
    op.execute("DELETE FROM rule_version WHERE book = 'verification'")
