"""An endpoint that demands a client certificate has the key of ours, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("endpoint", sa.Column("client_key", sa.LargeBinary(), nullable=True))
