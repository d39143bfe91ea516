"""The lists of specimens go from the last registered one back, over all institutions that a laboratory tests for."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_lab_specimen_registered", "lab_specimen", ["registered_at"])
