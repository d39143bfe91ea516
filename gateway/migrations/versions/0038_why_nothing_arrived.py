"""Deliveries keep why nothing came of a connection, in one word beside what the peer said."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_CAUSES = {"endpoint": "last_cause", "delivery": "cause", "delivery_attempt": "cause"}


def upgrade() -> None:
    for table, name in _CAUSES.items():
        op.add_column(table, sa.Column(name, sa.String(), nullable=False, server_default=""))
