"""Certificates and TLS exceptions of devices, and why a connection was refused."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LIST = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_EXCEPTION = sa.Enum("none", "plain", "no_certificate", name="tlsexception", native_enum=False, length=40)


def upgrade() -> None:
    with op.batch_alter_table("device") as table:
        table.add_column(sa.Column("certificates", _LIST, nullable=False, server_default="[]"))
        table.add_column(sa.Column("tls_exception", _EXCEPTION, nullable=False, server_default="none"))
        table.add_column(sa.Column("tls_exception_reason", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("tls_exception_until", sa.Date(), nullable=True))
    with op.batch_alter_table("refusal") as table:
        table.add_column(sa.Column("cause", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("refusal") as table:
        table.drop_column("cause")
    with op.batch_alter_table("device") as table:
        for name in ("tls_exception_until", "tls_exception_reason", "tls_exception", "certificates"):
            table.drop_column(name)
