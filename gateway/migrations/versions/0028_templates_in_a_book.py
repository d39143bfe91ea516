"""Templates and phrases are a rule book of each centre: the table that nobody could edit goes."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("phrase")
