"""The account under which a device hands over files: the name of its folder and of its FTP user."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("device") as table:
        table.add_column(sa.Column("account", sa.String(), nullable=True))
        table.add_column(sa.Column("account_password_hash", sa.String(), nullable=True))
        table.create_unique_constraint(op.f("uq_device_account"), ["account"])


def downgrade() -> None:
    with op.batch_alter_table("device") as table:
        table.drop_constraint(op.f("uq_device_account"), type_="unique")
        table.drop_column("account_password_hash")
        table.drop_column("account")
