"""Recognition at the order: reasons, prices, reach of scopes; questions, matches, decisions, citations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_AT = sa.DateTime(timezone=True)
_WORD = sa.String(length=40)


def upgrade() -> None:
    op.create_table(
        "recognition_reason",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("counts_as_refusal", sa.Boolean(), nullable=False),
        sa.Column("note_required", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("unconfirmed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_recognition_reason")),
    )
    op.create_table(
        "recognition_scope",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("level", _WORD, nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("unconfirmed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition_scope")),
        sa.UniqueConstraint("level", "label", "region", name=op.f("uq_recognition_scope_level_label_region")),
    )
    op.create_table(
        "recognition_own_source",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("minimum_hours", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_recognition_own_source_institution_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition_own_source")),
        sa.UniqueConstraint("institution_id", name=op.f("uq_recognition_own_source_institution_id")),
    )
    op.create_table(
        "recognition_price",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_recognition_price_institution_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_code"], ["recognition_item.code"], name=op.f("fk_recognition_price_item_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition_price")),
    )
    op.create_index("ix_recognition_price_of", "recognition_price", ["institution_id", "item_code"])
    op.create_table(
        "recognition_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("institution_id", sa.Uuid(), nullable=False),
        sa.Column("patient", _JSON, nullable=False),
        sa.Column("encounter", _JSON, nullable=False),
        sa.Column("items", _JSON, nullable=False),
        sa.Column("asked_at", _AT, nullable=False),
        sa.Column("asked_by_id", sa.Uuid(), nullable=True),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("decided_at", _AT, nullable=True),
        sa.Column("decided_as", _JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["person.id"], name=op.f("fk_recognition_group_asked_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_recognition_group_institution_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition_group")),
    )
    op.create_index("ix_recognition_group_asked", "recognition_group", ["asked_at", "institution_id"])
    op.create_table(
        "recognition_match",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("outcome", _WORD, nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("mark", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id"], ["recognition_group.id"], name=op.f("fk_recognition_match_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_code"], ["recognition_item.code"], name=op.f("fk_recognition_match_item_code")
        ),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_recognition_match_report_id")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["institution.id"], name=op.f("fk_recognition_match_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition_match")),
        sa.UniqueConstraint("group_id", "item_code", name=op.f("uq_recognition_match_group_id_item_code")),
    )
    op.create_index(op.f("ix_recognition_match_report_id"), "recognition_match", ["report_id"])
    op.create_table(
        "recognition_citation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("cited_at", _AT, nullable=False),
        sa.Column("doctor", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["match_id"], ["recognition_match.id"], name=op.f("fk_recognition_citation_match_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition_citation")),
        sa.UniqueConstraint("match_id", name=op.f("uq_recognition_citation_match_id")),
    )
    op.create_index("ix_recognition_citation_at", "recognition_citation", ["cited_at"])
    op.create_table(
        "recognition_decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("choice", _WORD, nullable=False),
        sa.Column("reason_code", sa.String(), nullable=True),
        sa.Column("counts_as_refusal", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("told_patient", sa.Boolean(), nullable=False),
        sa.Column("doctor", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("decided_at", _AT, nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("saved", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["person.id"], name=op.f("fk_recognition_decision_decided_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["match_id"], ["recognition_match.id"], name=op.f("fk_recognition_decision_match_id")
        ),
        sa.ForeignKeyConstraint(
            ["reason_code"], ["recognition_reason.code"], name=op.f("fk_recognition_decision_reason_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition_decision")),
        sa.UniqueConstraint("match_id", name=op.f("uq_recognition_decision_match_id")),
    )
    op.create_index("ix_recognition_decision_at", "recognition_decision", ["decided_at"])


def downgrade() -> None:
    for table in (
        "recognition_decision",
        "recognition_citation",
        "recognition_match",
        "recognition_group",
        "recognition_price",
        "recognition_own_source",
        "recognition_scope",
        "recognition_reason",
    ):
        op.drop_table(table)
