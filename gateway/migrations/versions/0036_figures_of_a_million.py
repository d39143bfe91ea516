"""Discrepancies name what figures read of their report; void and preliminary reports are found by themselves."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_OF_REPORT: dict[str, sa.types.TypeEngine[Any]] = {
    "examination_id": sa.Uuid(), "institution_id": sa.Uuid(), "modality": sa.String(), "rank": sa.Integer(),
}  # fmt: skip
_COUNTED = [
    "centre_id", "graded_at", "institution_id", "writer_id", "modality", "rank", "grade", "report_id",
]  # fmt: skip
_PRELIMINARY: dict[str, Any] = {
    "sqlite_where": sa.text("preliminary = 1 AND state = 'signed'"),
    "postgresql_where": sa.text("preliminary AND state = 'signed'"),
}
_VOID = sa.text("state = 'void'")


def upgrade() -> None:
    op.drop_index("ix_report_discrepancy_centre", table_name="report_discrepancy")
    for name, kind in _OF_REPORT.items():
        op.add_column("report_discrepancy", sa.Column(name, kind, nullable=True))
    copied = ", ".join(f"{name} = report.{name}" for name in _OF_REPORT)
    op.execute(
        f"UPDATE report_discrepancy SET {copied} FROM report"  # noqa: S608 (nothing of it comes from anybody)
        " WHERE report.id = report_discrepancy.report_id"
    )
    with op.batch_alter_table("report_discrepancy") as batch:
        for name, kind in _OF_REPORT.items():
            batch.alter_column(name, existing_type=kind, nullable=False)
        for other in ("examination", "institution"):
            batch.create_foreign_key(
                op.f(f"fk_report_discrepancy_{other}_id"), other, [f"{other}_id"], ["id"]
            )
    op.create_index("ix_report_discrepancy_of", "report_discrepancy", _COUNTED)
    op.create_index("ix_report_void", "report", ["id"], sqlite_where=_VOID, postgresql_where=_VOID)
    op.create_index("ix_report_preliminary", "report", ["centre_id", "examination_id"], **_PRELIMINARY)
