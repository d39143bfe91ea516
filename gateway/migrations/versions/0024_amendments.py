"""What comes after a signature: amendments, void reports, and the notice of one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_AFTER = sa.Enum("read_again", "sent_back", "nothing", name="aftervoid", native_enum=False, length=40)
_NOTICES = sa.Enum("report", "void", name="returnnotice", native_enum=False, length=40)


def upgrade() -> None:
    op.create_table(
        "report_void",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("after", _AFTER, nullable=False),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("voided_by_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_void_report_id")),
        sa.ForeignKeyConstraint(["voided_by_id"], ["person.id"], name=op.f("fk_report_void_voided_by_id")),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_report_void")),
    )
    op.add_column("report", sa.Column("amendment", _JSON, nullable=True))
    op.add_column("reading_task", sa.Column("amends_id", sa.Uuid(), nullable=True))
    for name in ("amendment_kind", "amendment_reason"):
        op.add_column("reading_task", sa.Column(name, sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("report_return") as batch:
        batch.add_column(sa.Column("notice", _NOTICES, nullable=False, server_default="report"))
        batch.drop_constraint(op.f("uq_report_return_report_id_recipient_id"), type_="unique")
        batch.create_unique_constraint(
            op.f("uq_report_return_report_id_recipient_id_notice"), ["report_id", "recipient_id", "notice"]
        )


def downgrade() -> None:
    op.execute("DELETE FROM report_return WHERE notice = 'void'")
    with op.batch_alter_table("report_return") as batch:
        batch.drop_constraint(op.f("uq_report_return_report_id_recipient_id_notice"), type_="unique")
        batch.create_unique_constraint(
            op.f("uq_report_return_report_id_recipient_id"), ["report_id", "recipient_id"]
        )
        batch.drop_column("notice")
    with op.batch_alter_table("reading_task") as batch:
        for name in ("amendment_reason", "amendment_kind", "amends_id"):
            batch.drop_column(name)
    with op.batch_alter_table("report") as batch:
        batch.drop_column("amendment")
    op.drop_table("report_void")
