"""Codes for reports that are to be made by themselves, in the transaction of the delivery that asks for them."""

from datetime import datetime

from sqlalchemy.orm import Session

from gateway import work
from worklists.reports import Report

SHARE = "share_report"  # the task


def queue_sharing(session: Session, report: Report, now: datetime) -> None:
    """For a recipient that wants a code for each report."""
    if any(row.recipient.share_reports for row in report.returns):
        work.schedule(session, SHARE, report.id, due_at=now)
