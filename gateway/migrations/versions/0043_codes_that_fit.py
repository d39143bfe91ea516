"""Codes of the dictionary that named another quantity, specimen or method, where the item is still as it shipped.

An item whose code, unit or specimen a county changed is its own, and stays.
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

# item, its unit, its specimen, the code that shipped, and the one that fits
_MENDED = (
    ("CORT", "nmol/L", "血清", "2143-6", "14675-3"),  # mass
    ("NH3", "umol/L", "EDTA血浆", "22763-7", "16362-6"),  # mass
    ("BHCG", "mIU/mL", "血清", "19080-1", "21198-7"),  # the whole hormone
    ("LEAD", "ug/L", "全血", "10368-9", "5671-3"),  # capillary blood
    ("HSCRP", "mg/L", "全血", "30522-7", "71426-1"),  # serum or plasma
    ("P_LCC", "10^9/L", "全血", "34167-7", "96354-6"),  # present or not, no count
    ("TRUST", "", "血清", "20507-0", "22461-8"),  # RPR, another method
)


def upgrade() -> None:
    for item, unit, specimen, was, fits in _MENDED:
        _recode(item, unit, specimen, was, fits)


def downgrade() -> None:
    for item, unit, specimen, was, fits in _MENDED:
        _recode(item, unit, specimen, fits, was)


def _recode(item: str, unit: str, specimen: str, was: str, fits: str) -> None:
    table = sa.table(
        "lab_item", *(sa.column(name, sa.String()) for name in ("code", "unit", "specimen", "loinc"))
    )
    as_it_was = {"code": item, "unit": unit, "specimen": specimen, "loinc": was}
    op.execute(
        table.update()
        .where(*(table.c[name] == value for name, value in as_it_was.items()))
        .values(loinc=fits)
    )
