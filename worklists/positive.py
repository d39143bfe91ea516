"""Whether a report says that something was found (阳性): what the head's positive rate counts.

Of results: any that is abnormal. Of an ECG: unless it concludes that it is normal. Of images and slides:
what the writer said, else whether the impression is other than those of normal templates.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.directory import Kind
from worklists.ecg_statements import EcgGroup, EcgStatement
from worklists.laboratory.results import Abnormal
from worklists.reporting.books import normal_impressions
from worklists.reporting.slots import says


def is_positive(
    session: Session, kind: Kind, *, said: bool | None, impression: str, content: Mapping[str, Any] | None
) -> bool:
    """`said`: by the writer, who decides where they do. `content`: of an ECG its statements, of a specimen its results."""
    if said is not None:
        return said
    if kind is Kind.LABORATORY:
        return any(one["abnormal"] != Abnormal.NONE for one in (content or {}).get("results", ()))
    statements = (content or {}).get("statements", [])
    if kind is Kind.ECG and statements:
        normal = session.scalars(select(EcgStatement).where(EcgStatement.normal)).all()
        concluded = any(row.code in statements and row.group is EcgGroup.CONCLUSION for row in normal)
        return not (concluded or set(statements) <= {row.code for row in normal})
    return not any(says(impression, one) for one in normal_impressions(session))
