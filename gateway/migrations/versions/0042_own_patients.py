"""An institution's patients at one place: of a name that many have, a township looks at its own. And all that is asked
of an examination's tasks to know which of them reads it, in the index that finds them."""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_FINDS = ["examination_id", "centre_id", "state"]
_READS = [*_FINDS, "purpose", "amends_id", "id"]


def upgrade() -> None:
    op.create_index("ix_patient_institution", "patient", ["institution_id", "id"])
    _create_anew(_READS)


def downgrade() -> None:
    _create_anew(_FINDS)
    op.drop_index("ix_patient_institution", table_name="patient")


def _create_anew(columns: list[str]) -> None:
    op.drop_index("ix_reading_task_examination", table_name="reading_task")
    op.create_index("ix_reading_task_examination", "reading_task", columns)
