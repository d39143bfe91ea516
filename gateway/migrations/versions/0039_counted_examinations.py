"""What was sent back and compared is found by its examination; grades of a centre name who gave them."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_OF_CENTRE = ["centre_id", "graded_at", "counts", "grade", "institution_id", "modality", "person_id"]


def upgrade() -> None:
    for table in ("report_discrepancy", "sent_back"):
        op.create_index(op.f(f"ix_{table}_examination_id"), table, ["examination_id"])
    op.drop_index("ix_image_grade_centre", table_name="image_grade")
    op.create_index("ix_image_grade_centre", "image_grade", _OF_CENTRE)
