"""Who adopted a result goes on hearing of it: of the version that takes its place, and that it is void."""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import new_id
from worklists.recognising.rows import Choice, RecognitionDecision, RecognitionGroup, RecognitionMatch
from worklists.reports import Report, ReportReturn, ReturnState


def adopters_of(session: Session, examination_id: uuid.UUID) -> set[uuid.UUID]:
    """The institutions at which a doctor adopted any version of its report."""
    query = (
        select(RecognitionGroup.institution_id)
        .join(RecognitionMatch, RecognitionMatch.group_id == RecognitionGroup.id)
        .join(RecognitionDecision, RecognitionDecision.match_id == RecognitionMatch.id)
        .join(Report, Report.id == RecognitionMatch.report_id)
        .where(Report.examination_id == examination_id, RecognitionDecision.choice == Choice.ADOPTED)
    )
    return set(session.scalars(query))


def address_adopters(session: Session, report: Report) -> None:
    """A new version goes to them too, with its difference to what they adopted."""
    known = {row.recipient_id for row in report.returns}
    for recipient_id in adopters_of(session, report.examination_id) - known:
        session.add(
            ReportReturn(
                id=new_id(), report=report, recipient_id=recipient_id, state=ReturnState.PENDING
            )
        )  # fmt: skip
