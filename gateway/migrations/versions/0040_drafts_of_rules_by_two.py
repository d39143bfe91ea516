"""A draft of rules keeps what it was begun from, and who changed its words last and when."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

# Of the drafts there are: what went live last before they were made, if anything did.
_BEGUN = """
UPDATE rule_version SET begun_from = COALESCE((
    SELECT live.version FROM rule_version AS live
    WHERE live.book = rule_version.book AND live.scope = rule_version.scope AND live.live_at <= rule_version.made_at
        AND live.id <> rule_version.id
    ORDER BY live.live_at DESC, live.version DESC LIMIT 1
), 0)
"""


def upgrade() -> None:
    with op.batch_alter_table("rule_version") as table:
        table.add_column(sa.Column("begun_from", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("changed_by_id", sa.Uuid(), nullable=True))
        table.create_foreign_key(op.f("fk_rule_version_changed_by_id"), "person", ["changed_by_id"], ["id"])
    op.execute(_BEGUN)


def downgrade() -> None:
    with op.batch_alter_table("rule_version") as table:
        table.drop_constraint(op.f("fk_rule_version_changed_by_id"), type_="foreignkey")
        for name in ("changed_by_id", "changed_at", "begun_from"):
            table.drop_column(name)
