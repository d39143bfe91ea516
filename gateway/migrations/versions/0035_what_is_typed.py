"""What is typed into a list: accession numbers by their ends, linked people, a person's examinations at one place."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_LETTERS = "abcdefghijklmnopqrstuvwxyz-_./# "
_PLACES = " || ".join(f"substr(accession_number, -{place}, 1)" for place in range(1, 17))
_FORMS = {
    "sqlite": {
        "begins": "lower(accession_number)",
        "digits": f"ltrim(lower(accession_number), '{_LETTERS}')",
        "ends": f"lower({_PLACES})",
    },
    "postgresql": {
        "begins": 'lower(accession_number COLLATE "C")',
        "digits": f"ltrim(lower(accession_number COLLATE \"C\"), '{_LETTERS}')",
        "ends": 'reverse(lower(accession_number COLLATE "C"))',
    },
}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    for name, form in _FORMS[dialect].items():
        op.create_index(f"ix_examination_number_{name}", "examination", [sa.text(form)])
    op.create_index("ix_examination_patient", "examination", ["patient_id", "institution_id", "id"])
    op.drop_index("ix_examination_patient_id", table_name="examination")
    op.drop_index("ix_reading_task_examination", table_name="reading_task")
    op.create_index("ix_reading_task_examination", "reading_task", ["examination_id", "centre_id", "state"])
    op.drop_index("ix_reading_task_lane", table_name="reading_task")
    op.create_index("ix_reading_task_lane", "reading_task", ["state", "rank", "waiting_since"])
    _create_partial("ix_patient_linked", "patient", ["master_id", "id"], "master_id <> id")
    _create_partial(
        "ix_reading_task_preliminary", "reading_task", ["centre_id", "state"], "preliminary_at IS NOT NULL"
    )
    if dialect == "postgresql":  # else nobody knows how rare an accession number is until the next VACUUM
        op.execute("ANALYZE examination")


def _create_partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
