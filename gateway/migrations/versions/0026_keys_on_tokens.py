"""A person's private key may lie on a token: then the row knows where, and has none itself."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("signing_key") as table:
        table.alter_column("key_pem", existing_type=sa.LargeBinary(), nullable=True)
        table.add_column(sa.Column("token_label", sa.String(), nullable=True))
        table.add_column(sa.Column("token_key_id", sa.LargeBinary(), nullable=True))
